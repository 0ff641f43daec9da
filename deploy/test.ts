/**
 * `npm test`: everything that says whether this checkout works: formatting, lint, types, then the three jest projects.
 * The tests install and start the servers they need (deploy/lab). Usage: npm test [-- unit|integration|e2e|check ...]
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { installEverything } from "./lab/install/everything.ts";

const STEPS = ["check", "unit", "integration", "e2e"] as const;
type Step = (typeof STEPS)[number];

interface JestResults {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numRuntimeErrorTestSuites: number;
}

const bin = (name: string): string => join("node_modules", ".bin", name);

const run = (command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<boolean> =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: "inherit", env: { ...process.env, ...env } });
    child.on("error", reject);
    child.on("exit", (code) => resolve(code === 0));
  });

const check = async (): Promise<boolean> => {
  const format = await run(bin("oxfmt"), ["--check", "."]);
  const lint = await run(bin("oxlint"), ["--type-aware", "--deny-warnings", "."]);
  const types = await run(bin("tsc"), []);
  const page = await run(bin("tsc"), ["-p", join("deploy", "lab", "element-call", "page")]);
  return format && lint && types && page;
};

const MEMORY_FOLDER = "/dev/shm";
/** Ten times what all of them were seen to hold at once (191 MB). */
const ENOUGH_BYTES = 2 * 1024 ** 3;

/** Where tests write: memory if there is room, for a disk that stalls stops the homeserver, and with it every call. */
const folderForTests = (): string => {
  if (process.env["TMPDIR"] !== undefined) return tmpdir();
  try {
    const { bavail, bsize } = statfsSync(MEMORY_FOLDER);
    return bavail * bsize >= ENOUGH_BYTES ? MEMORY_FOLDER : tmpdir();
  } catch {
    return tmpdir();
  }
};

/** Real servers share two cores: one test file at a time, except for unit tests. */
const jest = async (project: Exclude<Step, "check">, folder: string): Promise<JestResults | undefined> => {
  const report = join(folder, `${project}.json`);
  const workers = project === "unit" ? ["--maxWorkers=2"] : ["--runInBand"];
  const args = ["--selectProjects", project, "--json", `--outputFile=${report}`, ...workers];
  await run(process.execPath, ["--experimental-vm-modules", join("node_modules", "jest", "bin", "jest.js"), ...args], {
    NODE_NO_WARNINGS: "1",
    // rtc-node prints its native log otherwise.
    NODE_ENV: "production",
    TMPDIR: folder,
  });
  try {
    return JSON.parse(readFileSync(report, "utf8")) as JestResults;
  } catch {
    return undefined;
  }
};

const wanted = process.argv.slice(2);
const unknown = wanted.filter((step) => !STEPS.includes(step as Step));
if (unknown.length > 0) {
  console.error(`Unknown step ${unknown.join(", ")}. Usage: npm test [-- ${STEPS.join("|")} ...]`);
  process.exit(2);
}

// Before the tests, whose time-outs are for servers that start, not for downloads.
if (wanted.length === 0 || wanted.includes("integration") || wanted.includes("e2e"))
  await installEverything(console.log);

const folder = mkdtempSync(join(folderForTests(), "mrtc-test-"));
let passed = 0;
let failed = 0;
for (const step of STEPS.filter((name) => wanted.length === 0 || wanted.includes(name))) {
  const startedMs = performance.now();
  console.log(`\n== ${step}`);
  if (step === "check") {
    const ok = await check();
    if (!ok) failed += 1;
  } else {
    const results = await jest(step, folder);
    passed += results?.numPassedTests ?? 0;
    // A file that does not even load counts as one failure: jest reports no test for it.
    failed += results === undefined ? 1 : results.numFailedTests + results.numRuntimeErrorTestSuites;
  }
  console.log(`== ${step}: ${((performance.now() - startedMs) / 1000).toFixed(0)} s`);
}
// A lab that failed to start leaves its logs there.
if (failed === 0) rmSync(folder, { recursive: true, force: true });
else console.log(`\nWhat the tests left: ${folder}`);
console.log(`\n${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
