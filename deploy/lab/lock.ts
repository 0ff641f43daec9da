import { createHash } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type Server } from "node:net";

// A lock is an abstract unix socket (Linux): the kernel drops it with the process that holds it, so there is never a
// stale lock to clean up, and a waiter learns of the release by its connection closing instead of by polling.

function address(name: string): string {
  return `\0matrixrtc-sip-gateway-${createHash("sha256").update(name).digest("hex").slice(0, 32)}`;
}

async function tryListen(name: string): Promise<Server | undefined> {
  const server = createServer();
  server.listen(address(name));
  try {
    await once(server, "listening");
    return server;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") return undefined;
    throw error;
  }
}

/** Holds `name` for this process until the returned function is called; undefined when somebody else holds it. */
export async function tryLock(name: string): Promise<(() => void) | undefined> {
  const server = await tryListen(name);
  if (server === undefined) return undefined;
  const waiters = new Set<{ destroy(): void }>();
  server.on("connection", (socket) => {
    waiters.add(socket);
    socket.on("error", () => {}).on("close", () => waiters.delete(socket));
  });
  server.unref();
  return () => {
    server.close();
    for (const waiter of waiters) waiter.destroy();
  };
}

async function untilReleased(name: string): Promise<void> {
  const socket = connect(address(name));
  socket.on("error", () => {});
  await once(socket, "close").catch(() => {});
}

/** Runs `work` while no other process (and no other caller in this one) holds `name`. */
export async function withLock<T>(name: string, work: () => Promise<T>): Promise<T> {
  for (;;) {
    const release = await tryLock(name);
    if (release === undefined) {
      await untilReleased(name);
      continue;
    }
    try {
      return await work();
    } finally {
      release();
    }
  }
}
