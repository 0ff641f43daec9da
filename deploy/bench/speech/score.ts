/**
 * How speech sounds after its way: PESQ (ITU-T P.862, narrowband; MOS-LQO 1 to 4.5) by the Python package `pesq`. A development tool only, never
 * shipped: the package is MIT; the ITU's code in it may be used to try the method, other use needs a licence of its patent holders.
 */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { cachedFolder, type Progress } from "../../lab/cache.ts";

const run = promisify(execFile);
const VERSION = "0.0.4";
const BUILD_PACKAGES = ["numpy==2.4.6", "Cython==3.3.1", "setuptools==80.9.0", "wheel==0.45.1"];

/** Half a second more than the reference: what the jitter buffer has added. */
const SCRIPT = `
import sys, numpy
from pesq import pesq
reference, heard = (numpy.fromfile(name, "<i2") for name in sys.argv[1:3])
print(pesq(8000, reference, heard[: len(reference) + 4000], "nb"))
`;

/**
 * Installs what is missing, once (python3 with venv, a C compiler, the Python package index); resolves with the scorer of two files of
 * 8 kHz samples.
 */
export const installScorer = async (
  progress: Progress,
): Promise<(reference: string, heard: string) => Promise<number>> => {
  const folder = await cachedFolder(`pesq-${VERSION}`, progress, async (building) => {
    await run("python3", ["-m", "venv", building]);
    const python = join(building, "bin", "python3");
    const install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"] as const;
    await run(install[0], [...install.slice(1), ...BUILD_PACKAGES]);
    await run(install[0], [...install.slice(1), "--no-build-isolation", `pesq==${VERSION}`]);
  });
  const python = join(folder, "bin", "python3");
  return async (reference, heard) => Number((await run(python, ["-c", SCRIPT, reference, heard])).stdout);
};
