import type { Progress } from "../cache.ts";
import { ensureDebianPackage } from "./apt.ts";

/** Path of Chromium, in which Element Call runs. */
export const installChromium = (progress: Progress): Promise<string> =>
  ensureDebianPackage("chromium", "/usr/bin/chromium", progress);
