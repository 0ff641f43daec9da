// Runs a TypeScript program of this repository on a machine that may have nothing installed yet:
// `npm ci` when node_modules does not fit package-lock.json, then the program under the pinned Node of devDependencies.
// Plain JavaScript for Node >= 20, because this file runs before that Node exists.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stampFile = join(root, "node_modules", ".lock-sha256");
const lockHash = createHash("sha256")
  .update(readFileSync(join(root, "package-lock.json")))
  .digest("hex");

if (!existsSync(stampFile) || readFileSync(stampFile, "utf8") !== lockHash) {
  console.log("Installing the npm packages of package-lock.json (npm ci) ...");
  const install = spawnSync("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (install.status !== 0) {
    console.error("npm ci failed, see above. It needs the npm registry; nothing else was started.");
    process.exit(install.status ?? 1);
  }
  writeFileSync(stampFile, lockHash);
}

const child = spawn(join(root, "node_modules", ".bin", "node"), process.argv.slice(2), { cwd: root, stdio: "inherit" });
// Ctrl-C reaches the whole foreground group; a plain `kill` reaches only us and is passed on.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => child.kill("SIGTERM"));
child.on("exit", (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
