/** Passes HTTP requests and WebSocket upgrades on to livekit-server, byte for byte. */
import { type IncomingMessage, request as httpRequest, type ServerResponse } from "node:http";
import { connect } from "node:net";
import type { Duplex } from "node:stream";

const LONGEST_BODY_BYTES = 1_000_000;

export const readBody = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > LONGEST_BODY_BYTES) throw new Error("body too large");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
};

export const proxyHttp = (target: string, request: IncomingMessage, response: ServerResponse): void => {
  const options = { method: request.method, headers: request.headers };
  const onward = httpRequest(new URL(request.url ?? "/", target), options, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(response);
  });
  onward.on("error", () => response.writeHead(502).end());
  request.pipe(onward);
};

export const proxyUpgrade = (target: string, request: IncomingMessage, client: Duplex, head: Buffer): void => {
  const { hostname, port } = new URL(target);
  const server = connect(Number(port), hostname, () => {
    const headers = request.rawHeaders.reduce(
      (text, value, index) => text + (index % 2 === 0 ? `${value}: ` : `${value}\r\n`),
      "",
    );
    server.write(`${request.method} ${request.url} HTTP/1.1\r\n${headers}\r\n`);
    server.write(head);
    server.pipe(client).pipe(server);
  });
  server.on("error", () => client.destroy());
  client.on("error", () => server.destroy());
};
