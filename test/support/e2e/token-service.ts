import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";

import { AccessToken } from "livekit-server-sdk";
import { z } from "zod";

import type { Lab } from "../../../deploy/lab/lab.ts";
import { livekitRoomName, plainIdentity, ROOM_SLOT } from "../../../deploy/lab/token-service/identity.ts";

/** What the gateway asks the token service for, made into the names that the SFU knows. */
export interface Asked {
  readonly identity: string;
  readonly room: string;
}

export interface TokenAnswer {
  readonly status: number;
  readonly body: string;
}

const bodySchema = z.object({ room: z.string(), device_id: z.string() });

const read = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
};

/** Stops the lab's token service while `meanwhile` runs. With `answer` another one takes its place, which serves `ghost` only. */
export const whileTokenServiceIs = async (
  lab: Lab,
  service: "stopped" | { readonly ghost: string; answer(asked: Asked): Promise<TokenAnswer> },
  meanwhile: () => Promise<void>,
): Promise<void> => {
  const real = lab.process("token-service");
  await real.stop();
  const server = createServer((request, response) => {
    void (async () => {
      if (service === "stopped") return;
      const { room, device_id: deviceId } = bodySchema.parse(JSON.parse(await read(request)));
      const asked = { identity: plainIdentity(service.ghost, deviceId), room: livekitRoomName(room, ROOM_SLOT) };
      const { status, body } = await service.answer(asked);
      response.writeHead(status, { "content-type": "application/json" }).end(body);
    })();
  });
  if (service !== "stopped") {
    server.listen(lab.ports.tokenService, "127.0.0.1");
    await once(server, "listening");
  }
  try {
    await meanwhile();
  } finally {
    if (server.listening) {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    }
    await real.startAgain();
  }
};

/** A token as the SFU wants it, unless it is signed with another secret. */
export const sfuToken = async (
  lab: Lab,
  { identity, room }: Asked,
  secret = lab.livekit.apiSecret,
): Promise<string> => {
  const token = new AccessToken(lab.livekit.apiKey, secret, { identity });
  token.addGrant({ roomJoin: true, room, canPublish: true, canSubscribe: true });
  return token.toJwt();
};
