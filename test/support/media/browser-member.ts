import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

import { launchBrowser } from "../../../deploy/lab/element-call/browser.ts";
import type { SfuAddress } from "../../../src/media/sfu/port.ts";
import { PAGE_RATE_HZ, type PageJoin, type PageMember } from "./page/api.ts";
import { toneLevel } from "./tones.ts";

/** A member with livekit-client in Chromium: what Element Call is for an SFU. */
export interface BrowserMember {
  join(address: SfuAddress, toneHz: number): Promise<void>;
  setKey(identity: string, index: number, key: Uint8Array): Promise<void>;
  setTone(frequencyHz: number): Promise<void>;
  setMuted(muted: boolean): Promise<void>;
  /** dBFS of a frequency in what is played of a member now; -120 when nothing is. */
  level(identity: string, frequencyHz: number): Promise<number>;
  speakers(): Promise<readonly string[]>;
  muted(): Promise<readonly string[]>;
}

export interface BrowserMembers extends AsyncDisposable {
  /** In a page of its own. */
  member(): Promise<BrowserMember>;
  /** Closes the pages. */
  clear(): Promise<void>;
}

const bundle = async (entry: string): Promise<string> => {
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: "esm",
    platform: "browser",
    target: "es2023",
    logLevel: "silent",
  });
  return outputFiles[0]!.text;
};

const servePages = async () => {
  const [main, worker] = await Promise.all([
    bundle(fileURLToPath(new URL("page/main.ts", import.meta.url))),
    bundle("livekit-client/e2ee-worker"),
  ]);
  const script = "text/javascript; charset=utf-8";
  const served = new Map([
    ["/", { type: "text/html; charset=utf-8", text: `<!doctype html><script type="module" src="/main.js"></script>` }],
    ["/main.js", { type: script, text: main }],
    ["/e2ee-worker.js", { type: script, text: worker }],
  ]);
  const server = createServer((request, response) => {
    const content = served.get(request.url ?? "");
    if (content === undefined) response.writeHead(404).end();
    else response.writeHead(200, { "content-type": content.type }).end(content.text);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    // A secure context, which frame encryption needs.
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
};

export const startBrowserMembers = async (): Promise<BrowserMembers> => {
  const pages = await servePages();
  const browser = await launchBrowser(() => {});
  const clear = async (): Promise<void> => {
    await Promise.all(browser.contexts().map((context) => context.close()));
  };
  return {
    async member() {
      const page = await (await browser.newContext()).newPage();
      await page.goto(pages.url);
      const call = async <T = void>(method: keyof PageMember, ...args: readonly unknown[]): Promise<T> =>
        page.evaluate(`window.sfuMember.${method}(${args.map((argument) => JSON.stringify(argument)).join(", ")})`);
      return {
        join: ({ sfuUrl: url, token, encrypted }, toneHz) =>
          call("join", { url, token, encrypted, toneHz } satisfies PageJoin),
        setKey: (identity, index, key) => call("setKey", identity, index, Buffer.from(key).toString("base64")),
        setTone: (frequencyHz) => call("setTone", frequencyHz),
        setMuted: (muted) => call("setMuted", muted),
        async level(identity, frequencyHz) {
          const samples = Int16Array.from(await call<number[]>("heard", identity));
          return samples.length === 0 ? -120 : toneLevel(samples, PAGE_RATE_HZ, frequencyHz);
        },
        speakers: () => call("speakers"),
        muted: () => call("muted"),
      };
    },
    clear,
    async [Symbol.asyncDispose]() {
      await clear();
      await browser.close();
      pages.close();
    },
  };
};
