import { once } from "node:events";
import { createReadStream } from "node:fs";
import { readdir } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";

import type { Browser } from "playwright-core";
import { type WebSocket, WebSocketServer } from "ws";

import type { Progress } from "../cache.ts";
import { launchBrowser } from "./browser.ts";
import { bundlePage, type PageBundle } from "./bundle.ts";
import type { PageSession } from "./page/protocol.ts";

/** `matrix_rtc_mode` of Element Call: memberships as state events, or sticky events with hashed identities. */
export type ElementCallMode = "compatibility" | "matrix_2_0";

export interface ElementCallHostOptions {
  readonly homeserverUrl: string;
  /** Default: compatibility, as Element Call itself. */
  readonly mode?: ElementCallMode;
  /** Default: a free one. */
  readonly port?: number;
  readonly onProgress?: Progress;
}

/** Serves the page that embeds Element Call, to automated browsers and to a person's own. Loopback only. */
export interface ElementCallHost extends AsyncDisposable {
  readonly url: string;
  readonly mode: ElementCallMode;
  readonly homeserverUrl: string;
  /** Script that runs in an automated page before its own. */
  readonly automationScript: string;
  /** Address for a browser; everything secret is in its fragment. Each load logs in as a new device. */
  sessionUrl(session: Omit<PageSession, "homeserver">): string;
  /** The browser all automated members share; started on first use. */
  browser(): Promise<Browser>;
  /** Address for the capture socket of one page; `onSocket` is called when the page connects. */
  expectCapture(id: string, onSocket: (socket: WebSocket) => void): string;
  close(): Promise<void>;
}

const CONTENT_TYPES: Record<string, string> = {
  ".css": "text/css",
  ".gif": "image/gif",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".mp3": "audio/mpeg",
  ".ogg": "audio/ogg",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
  ".woff": "font/woff",
  ".woff2": "font/woff2",
};

const PACKAGES = fileURLToPath(new URL("../../../node_modules/", import.meta.url));
const ELEMENT_CALL = join(PACKAGES, "@element-hq/element-call-embedded/dist");
const CRYPTO_WASM = join(PACKAGES, "@matrix-org/matrix-sdk-crypto-wasm/pkg/matrix_sdk_crypto_wasm_bg.wasm");

const HOST_PAGE = `<!doctype html>
<title>Element Call (lab)</title>
<style>body, iframe { margin: 0; border: 0; width: 100%; height: 100vh; display: block; }</style>
<body><script type="module" src="/main.js"></script></body>`;

type Content = { readonly file: string } | { readonly text: string; readonly type: string };

/** Everything that is served, by path: nothing outside this list can be asked for. */
async function contents(bundle: PageBundle, mode: ElementCallMode): Promise<Map<string, Content>> {
  const served = new Map<string, Content>();
  for (const entry of await readdir(ELEMENT_CALL, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = join(entry.parentPath, entry.name);
    served.set(`/element-call${file.slice(ELEMENT_CALL.length)}`, { file });
  }
  const script = "text/javascript; charset=utf-8";
  served.set("/", { text: HOST_PAGE, type: "text/html; charset=utf-8" });
  served.set("/main.js", { text: bundle.main, type: script });
  served.set("/capture-worklet.js", { text: bundle.worklet, type: script });
  served.set("/crypto.wasm", { file: CRYPTO_WASM });
  served.set("/element-call/config.json", {
    text: JSON.stringify({ matrix_rtc_mode: mode }),
    type: "application/json",
  });
  return served;
}

function serve(served: Map<string, Content>): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    const path = new URL(request.url ?? "/", "http://localhost").pathname;
    const content = served.get(path);
    if (content === undefined) {
      response.writeHead(404).end();
      return;
    }
    if ("text" in content) {
      response.writeHead(200, { "content-type": content.type }).end(content.text);
      return;
    }
    response.writeHead(200, { "content-type": CONTENT_TYPES[extname(content.file)] ?? "application/octet-stream" });
    createReadStream(content.file).pipe(response);
  };
}

function acceptCaptures(server: Server): { expect: ElementCallHost["expectCapture"]; close: () => void } {
  const expected = new Map<string, (socket: WebSocket) => void>();
  const sockets = new WebSocketServer({ server });
  sockets.on("connection", (socket, request) => {
    const path = new URL(request.url ?? "/", "http://localhost").pathname;
    const onSocket = expected.get(path);
    if (onSocket === undefined) socket.close(4404, "unknown");
    else onSocket(socket);
  });
  return {
    expect: (id, onSocket) => {
      expected.set(`/capture/${id}`, onSocket);
      return `ws://127.0.0.1:${(server.address() as AddressInfo).port}/capture/${id}`;
    },
    close: () => {
      for (const socket of sockets.clients) socket.terminate();
      sockets.close();
    },
  };
}

export async function startElementCallHost(options: ElementCallHostOptions): Promise<ElementCallHost> {
  const mode = options.mode ?? "compatibility";
  const bundle = await bundlePage();
  const server = createServer(serve(await contents(bundle, mode)));
  server.listen(options.port ?? 0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const captures = acceptCaptures(server);
  let browser: Promise<Browser> | undefined;

  const close = async (): Promise<void> => {
    await (await browser?.catch(() => undefined))?.close();
    captures.close();
    server.closeAllConnections();
    server.close();
  };
  return {
    url,
    mode,
    homeserverUrl: options.homeserverUrl,
    automationScript: bundle.automation,
    sessionUrl: (session) => {
      const fragment = new URLSearchParams({ homeserver: options.homeserverUrl, ...session });
      return `${url}#${fragment.toString()}`;
    },
    browser: () => (browser ??= launchBrowser(options.onProgress ?? (() => {}))),
    expectCapture: captures.expect,
    close,
    [Symbol.asyncDispose]: close,
  };
}
