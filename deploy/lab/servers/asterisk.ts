import { execFile } from "node:child_process";
import { cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

import { applyOverlay, splitOverlay } from "../asterisk-conf.ts";
import { type LabContext, launch, logFileOf, placeValues, repositoryFile } from "../context.ts";
import { SESSION_NICENESS } from "../priority.ts";
import { installAsterisk } from "../install/asterisk.ts";
import { fillPlaces } from "../overlay.ts";
import { poll } from "../process.ts";

const run = promisify(execFile);

export interface AsteriskServer {
  /** English prompts, WAV files of 8 kHz. */
  soundsFolder: string;
  /** Runs a command of Asterisk's console and gives what it prints. */
  cli(command: string): Promise<string>;
}

export interface AsteriskSpec {
  /** Part of the lab: name of its folder and log. */
  name: string;
  /** Folders of configuration files in this repository, by the folder in etc/ that they go to ("" is etc/ itself). */
  configuration: Record<string, string>;
  /** One file with changes to them. */
  overlay: string;
  values?: Record<string, string>;
}

/** Starts an Asterisk that shares nothing with another one; ready when it is fully booted. */
export async function startAsterisk(context: LabContext, spec: AsteriskSpec): Promise<AsteriskServer> {
  const installation = await installAsterisk(context.progress);
  const folder = join(context.folder, spec.name);
  for (const name of ["etc", "var", "spool", "run", "log"]) await mkdir(join(folder, name), { recursive: true });
  const values = {
    ...placeValues(context),
    ...spec.values,
    asteriskFolder: folder,
    asteriskModules: installation.modules,
    asteriskData: installation.data,
  };
  await writeConfiguration(join(folder, "etc"), spec, values, join(installation.root, "etc/asterisk"));

  const [command, ...args] = [...installation.command, "-C", join(folder, "etc/asterisk.conf")];
  const cli = async (line: string) => (await run(command, [...args, "-rx", line])).stdout;
  await launch(context, {
    name: spec.name,
    command: command,
    // In the foreground, without colours.
    args: [...args, "-fn"],
    cwd: folder,
    logFile: logFileOf(context.folder, spec.name),
    ready: (signal) => poll(signal, async () => (await cli("core waitfullybooted")).includes("fully booted")),
    hint: `the configuration it read is in ${join(folder, "etc")}; a line with ERROR names the file`,
    stopGraceMs: 2000,
    sessionNiceness: SESSION_NICENESS.carriesAudio,
  });
  return { cli, soundsFolder: join(installation.data, "sounds/en") };
}

async function writeConfiguration(
  target: string,
  spec: AsteriskSpec,
  values: Record<string, string | number>,
  distribution: string,
) {
  // As on an administrator's machine: the distribution's files, ours over them.
  await cp(distribution, target, { recursive: true });
  const asteriskConf = await readFile(repositoryFile("deploy/lab/overlay/asterisk.conf"), "utf8");
  await writeFile(join(target, "asterisk.conf"), fillPlaces(asteriskConf, values));
  const changes = splitOverlay(await readFile(repositoryFile(spec.overlay), "utf8"));
  for (const [folder, source] of Object.entries(spec.configuration)) {
    const names = (await readdir(repositoryFile(source), { recursive: true })).filter((name) => name.endsWith(".conf"));
    for (const name of names) {
      const file = join(folder, name);
      const shipped = await readFile(join(repositoryFile(source), name), "utf8");
      await mkdir(dirname(join(target, file)), { recursive: true });
      await writeFile(join(target, file), fillPlaces(applyOverlay(shipped, changes.get(file) ?? ""), values));
      changes.delete(file);
    }
  }
  const [unknown] = changes.keys();
  if (unknown !== undefined) throw new Error(`${spec.overlay}: there is no ${unknown}`);
}
