import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";

/** A TCP way to a port that can be cut and restored, as a network fault would. */
export interface BreakableWay extends AsyncDisposable {
  readonly port: number;
  /** Drops all connections and refuses new ones. Resolves when nothing listens any more. */
  cut(): Promise<void>;
  restore(): Promise<void>;
}

/** `targetPort` may be a function when it is not known yet: connections made before are dropped. */
export const createBreakableWay = async (targetPort: number | (() => number | undefined)): Promise<BreakableWay> => {
  const sockets = new Set<Socket>();
  let server: Server | undefined;

  const listen = async (port: number): Promise<number> => {
    server = createServer((near) => {
      const target = typeof targetPort === "number" ? targetPort : targetPort();
      if (target === undefined) return void near.destroy();
      const far = connect(target, "127.0.0.1");
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        sockets.add(from);
        from.pipe(to);
        from.on("error", () => {});
        from.on("close", () => {
          sockets.delete(from);
          to.destroy();
        });
      }
    }).listen(port, "127.0.0.1");
    await once(server, "listening");
    return (server.address() as { port: number }).port;
  };

  const port = await listen(0);
  const cut = async (): Promise<void> => {
    const closing = server;
    server = undefined;
    if (closing === undefined) return;
    const closed = once(closing, "close");
    closing.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  return {
    port,
    cut,
    restore: async () => {
      await listen(port);
    },
    [Symbol.asyncDispose]: cut,
  };
};
