import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

import { SignalResponse } from "@livekit/protocol";
import { WebSocket, WebSocketServer } from "ws";

/** A WebSocket server on a free port; HTTP requests are answered with 404. */
export interface SocketServer extends AsyncDisposable {
  readonly url: string;
}

/** Without `onSocket`, and on paths it does not have, it answers those who ask for a WebSocket with 404, too. */
export const startSocketServer = async (
  onSocket?: (socket: WebSocket, path: string, authorization: string) => void,
  hasPath: (path: string) => boolean = () => true,
): Promise<SocketServer> => {
  const server: Server = createServer((_request, response) => response.writeHead(404).end());
  const sockets = new WebSocketServer({ noServer: true });
  server.on("upgrade", (request, socket, head) => {
    if (onSocket === undefined || !hasPath(request.url ?? "")) {
      socket.end("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    } else {
      sockets.handleUpgrade(request, socket, head, (webSocket) =>
        onSocket(webSocket, request.url ?? "", request.headers.authorization ?? ""),
      );
    }
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      for (const client of sockets.clients) client.terminate();
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
};

/** In front of an SFU's signalling: messages of the server can be changed, left out, or put in. */
export interface SignallingRelay extends SocketServer {
  /** Sends this to every client. */
  inject(message: Uint8Array | string): void;
}

export interface RelayOptions {
  /** Undefined: left out. */
  readonly change?: (message: SignalResponse) => SignalResponse | undefined;
  /** By how much everything the server says comes later. */
  readonly delayMs?: number;
  /** Paths for which it has no WebSocket are answered with 404. */
  readonly hasPath?: (path: string) => boolean;
}

export const startSignallingRelay = async (
  target: string,
  { change = (message) => message, delayMs = 0, hasPath = () => true }: RelayOptions = {},
): Promise<SignallingRelay> => {
  const later = (action: () => void): void => {
    if (delayMs === 0) action();
    else setTimeout(action, delayMs);
  };
  const clients: WebSocket[] = [];
  const onSocket = (near: WebSocket, path: string, authorization: string): void => {
    clients.push(near);
    const far = new WebSocket(target + path, { headers: { authorization } });
    const early: Buffer[] = [];
    near.on("message", (data: Buffer) => {
      if (far.readyState === WebSocket.OPEN) far.send(data);
      else early.push(data);
    });
    far.on("open", () => {
      for (const data of early.splice(0)) far.send(data);
    });
    far.on("message", (data: Buffer) => {
      const changed = change(SignalResponse.fromBinary(data));
      if (changed !== undefined) later(() => near.send(changed.toBinary()));
    });
    far.on("error", () => near.close());
    far.on("close", () => later(() => near.close()));
    near.on("close", () => far.close());
  };
  const server = await startSocketServer(onSocket, hasPath);
  return Object.assign(server, {
    inject: (message: Uint8Array | string) => {
      for (const client of clients) client.send(message);
    },
  });
};
