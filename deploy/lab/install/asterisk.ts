import { readdir, readFile, symlink } from "node:fs/promises";
import { join } from "node:path";

import { cachedFolder, type Progress } from "../cache.ts";
import { ensureDebianPackage } from "./apt.ts";
import { runInstall } from "./command.ts";

// Debian 12 and 13 have no Asterisk and none with chan_websocket (>= 20.16, 22.6); the next Debian has 22.10. Its packages
// are unpacked beside the system, never installed: the lab starts that Asterisk with its own dynamic linker.
const SUITE = "forky";
const VERSION = "22";
const PACKAGES = "asterisk,asterisk-core-sounds-en-wav";
const LEFT_OUT = ["doc", "man", "locale"];

export interface AsteriskInstallation {
  /** Root of the unpacked packages. */
  root: string;
  /** Command line that starts Asterisk; arguments of Asterisk follow. */
  command: string[];
  modules: string;
  data: string;
}

export async function installAsterisk(progress: Progress): Promise<AsteriskInstallation> {
  const root = await cachedFolder(`asterisk-${VERSION}-${SUITE}`, progress, async (target) => {
    await ensureDebianPackage("mmdebstrap", "/usr/bin/mmdebstrap", progress);
    const options = ["--variant=extract", "--mode=root", "--aptopt=APT::Install-Recommends false"];
    // Mirrors keep Release files of a testing suite past their validity date.
    options.push("--aptopt=Acquire::Check-Valid-Until false", `--include=${PACKAGES}`);
    for (const folder of LEFT_OUT) options.push(`--dpkgopt=path-exclude=/usr/share/${folder}/*`);
    await runInstall("mmdebstrap", [...options, SUITE, target, await debianMirror()], {
      hint: "the Debian mirror of /etc/apt/sources.list must be reachable; needs root (mmdebstrap --mode=root)",
    });
    // Done by the package's postinst, which does not run for unpacked packages.
    await symlink("en_US_f_Allison", join(target, "usr/share/asterisk/sounds/en")).catch(() => {});
  });
  const libraries = join(root, `usr/lib/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu`);
  const linker = process.arch === "arm64" ? "ld-linux-aarch64.so.1" : "ld-linux-x86-64.so.2";
  return {
    root,
    command: [join(libraries, linker), "--library-path", libraries, join(root, "usr/sbin/asterisk")],
    modules: join(libraries, "asterisk/modules"),
    data: join(root, "usr/share/asterisk"),
  };
}

/** The mirror this machine's apt uses for Debian itself, in the old or the deb822 format. */
async function debianMirror(): Promise<string> {
  const folder = "/etc/apt/sources.list.d";
  const names = (await readdir(folder).catch(() => [])).filter((name) => /^debian.*\.sources$/.test(name));
  for (const file of [...names.map((name) => join(folder, name)), "/etc/apt/sources.list"]) {
    const text = await readFile(file, "utf8").catch(() => "");
    const uri = /^URIs:\s*(\S+)/m.exec(text)?.[1] ?? /^deb\s+(?:\[[^\]]*\]\s+)?(\S+\/debian)\/?\s/m.exec(text)?.[1];
    if (uri !== undefined) return uri;
  }
  throw new Error("no Debian mirror found in /etc/apt: the lab takes Asterisk from Debian");
}
