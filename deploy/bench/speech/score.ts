/**
 * How speech sounds after its way: PESQ (ITU-T P.862, narrowband; MOS-LQO 1 to 4.5) by the Python package `pesq`. A development tool only, never
 * shipped: the package is MIT, the ITU's code in it is free for evaluating, and patented ways of using it need a licence.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const PACKAGES = ["setuptools==80.9.0", "wheel", "numpy==2.3.5", "cython", "pesq==0.0.4"];
const FOLDER = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "mrtc-sip-gateway", "pesq");

const SCRIPT = `
import sys, numpy
from pesq import pesq
reference, heard = (numpy.fromfile(name, "<i2") for name in sys.argv[1:3])
print(pesq(8000, reference, heard[: len(reference) + 4000], "nb"))
`;

/** Installs what is missing (python3 with venv, a C compiler, the Python package index), once; resolves with the scorer of two files of 8 kHz samples. */
export const installScorer = async (): Promise<(reference: string, heard: string) => Promise<number>> => {
  const python = join(FOLDER, "bin", "python3");
  if (!existsSync(join(FOLDER, "ready"))) {
    await mkdir(FOLDER, { recursive: true });
    await run("python3", ["-m", "venv", FOLDER]);
    const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    await run(python, [...pip, ...PACKAGES.slice(0, -1)]);
    await run(python, [...pip, "--no-build-isolation", ...PACKAGES.slice(-1)]);
    await run("touch", [join(FOLDER, "ready")]);
  }
  return async (reference, heard) => Number((await run(python, ["-c", SCRIPT, reference, heard])).stdout);
};
