import { fileURLToPath } from "node:url";

import { build } from "esbuild";

/** Scripts of the host page, built from page/ in a fraction of a second at each start. */
export interface PageBundle {
  /** The host page's module. */
  readonly main: string;
  /** Start script for automated browsers (not a module: it must run before the page's own scripts). */
  readonly automation: string;
  /** AudioWorklet module. */
  readonly worklet: string;
}

const entry = (name: string): string => fileURLToPath(new URL(`page/${name}.ts`, import.meta.url));

async function bundle(name: string, format: "esm" | "iife"): Promise<string> {
  const result = await build({
    entryPoints: [entry(name)],
    bundle: true,
    write: false,
    format,
    platform: "browser",
    target: "es2023",
    logLevel: "silent",
    define: { global: "globalThis" },
  });
  return result.outputFiles[0]!.text;
}

export async function bundlePage(): Promise<PageBundle> {
  const [main, automation, worklet] = await Promise.all([
    bundle("main", "esm"),
    bundle("automation", "iife"),
    bundle("capture-worklet", "esm"),
  ]);
  return { main, automation, worklet };
}
