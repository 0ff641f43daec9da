import type { RequestListener } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { GatewayError } from "../errors.ts";

/** A client that sends slower than this is not one of ours. Node's default is 5 minutes. */
const REQUEST_TIMEOUT_MS = 30_000;

export interface Listener {
  readonly host: string;
  readonly port: number;
  /** `http://127.0.0.1:9301` */
  readonly url: string;
  /** Takes no more requests, waits for the running ones at most `graceMs`, then cuts them off. */
  close(graceMs?: number): Promise<void>;
}

/** Listens; port 0 takes a free one. Rejects with CONFIG_INVALID naming the key when the address cannot be bound. */
export const startListener = async (options: {
  readonly app: RequestListener;
  readonly listen: { readonly host: string; readonly port: number };
  /** Key of the configuration, for the error: `api.listen`. */
  readonly configKey: string;
}): Promise<Listener> => {
  const { app, listen, configKey } = options;
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS }, app);
  const { promise: listening, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", (error: NodeJS.ErrnoException) => {
    const reason = error.code === "EADDRINUSE" ? "is in use by another process" : error.message;
    reject(
      new GatewayError("CONFIG_INVALID", `${configKey}: ${listen.host}:${listen.port} ${reason}`, { cause: error }),
    );
  });
  server.listen(listen.port, listen.host, resolve);
  await listening;
  const { port } = server.address() as AddressInfo;
  const urlHost = listen.host.includes(":") ? `[${listen.host}]` : listen.host;
  return {
    host: listen.host,
    port,
    url: `http://${urlHost}:${port}`,
    close: async (graceMs = 2000) => {
      const { promise: closed, resolve } = Promise.withResolvers<void>();
      // An error here only says that it is closed already.
      server.close(() => resolve());
      const cutOff = setTimeout(() => server.closeAllConnections(), graceMs);
      await closed;
      clearTimeout(cutOff);
    },
  };
};
