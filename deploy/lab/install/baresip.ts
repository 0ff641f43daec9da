import type { Progress } from "../cache.ts";
import { ensureDebianPackage } from "./apt.ts";

/** Path of baresip, the scripted desk phone. */
export const installBaresip = (progress: Progress): Promise<string> =>
  ensureDebianPackage("baresip-core", "/usr/bin/baresip", progress);
