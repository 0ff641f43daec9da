import { writeFile } from "node:fs/promises";
import { connect as connectTcp, createServer, type Socket } from "node:net";
import { join } from "node:path";

import { AccessToken, RoomServiceClient } from "livekit-server-sdk";

import { type Lab, startLab } from "../../../deploy/lab/lab.ts";
import { mergeTrees, readYaml, toYaml } from "../../../deploy/lab/overlay.ts";
import { identitiesInRoom } from "../../../deploy/lab/sfu-participants.ts";
import type { SfuAddress } from "../../../src/media/sfu/port.ts";
import { type ClientKind, type Published, type SfuMember, startSfuMember } from "./sfu-member.ts";

export interface MemberOptions {
  readonly encrypted?: boolean;
  /** Signals through a proxy that can be cut. */
  readonly sfuUrl?: string;
  /** Codec of its track; default: alaw. */
  readonly publishes?: Published;
  /** Reports keys that others press. */
  readonly takesKeys?: boolean;
  /** Of its token, as in "54s ago". livekit-server takes a token for a minute after its end. */
  readonly expires?: string;
}

/** A real livekit-server with one room at a time, and SfuClients in it. */
export interface SfuRoom extends AsyncDisposable {
  readonly lab: Lab;
  /** A member that is connected, listens, and (in an encrypted room) has its own key at index 0. */
  member(kind: ClientKind, name: string, options?: MemberOptions): Promise<SfuMember>;
  /** The same, not connected. */
  guest(kind: ClientKind, address: SfuAddress): Promise<SfuMember>;
  address(identity: string, options?: MemberOptions): Promise<SfuAddress>;
  key(identity: string, index?: number): Uint8Array;
  /** Server side ids by identity, of the list, where somebody who left may stay (deploy/lab/sfu-participants.ts). */
  participants(): Promise<ReadonlyMap<string, string>>;
  /** Identities of those who are there. */
  present(): Promise<readonly string[]>;
  kick(identity: string): Promise<void>;
  /** Kills the SFU and starts it again at the same address. @param overlay what is different in its configuration then */
  restartServer(overlay?: Record<string, unknown>): Promise<void>;
  /** Kills the members and begins with an empty room. */
  clear(): Promise<void>;
}

export const startSfuRoom = async (): Promise<SfuRoom> => {
  const lab = await startLab({ parts: ["livekit"] });
  const { wsUrl, httpUrl, apiKey, apiSecret } = lab.livekit;
  const service = new RoomServiceClient(httpUrl, apiKey, apiSecret);
  const members: SfuMember[] = [];
  const configFile = join(lab.folder, "livekit.yaml");
  const config = readYaml(configFile);
  let room: string = crypto.randomUUID();

  const key = (identity: string, index = 0): Uint8Array => {
    const bytes = Buffer.alloc(16, index + 1);
    bytes.write(identity);
    return bytes;
  };
  const address = async (identity: string, options: MemberOptions = {}) => {
    const { encrypted = true, sfuUrl = wsUrl, expires = "1h" } = options;
    const token = new AccessToken(apiKey, apiSecret, { identity, ttl: expires });
    token.addGrant({ roomJoin: true, room });
    return { sfuUrl, token: await token.toJwt(), identity, encrypted };
  };
  const guest = async (
    kind: ClientKind,
    to: SfuAddress,
    { publishes = "alaw", takesKeys = false }: MemberOptions = {},
  ): Promise<SfuMember> => {
    const member = await startSfuMember(kind, to, publishes, takesKeys);
    members.push(member);
    return member;
  };
  const clear = async (): Promise<void> => {
    await Promise.all(members.splice(0).map((member) => member.kill()));
    room = crypto.randomUUID();
  };
  return {
    lab,
    address,
    guest,
    key,
    clear,
    async member(kind, name, options) {
      const member = await guest(kind, await address(name, options), options);
      await member.setKey(name, 0, key(name));
      await member.listen(true);
      await member.connect();
      return member;
    },
    async participants() {
      const list = await service.listParticipants(room);
      return new Map(list.map(({ identity, sid }) => [identity, sid]));
    },
    present: () => identitiesInRoom(lab.livekit, room),
    kick: (identity) => service.removeParticipant(room, identity),
    async restartServer(overlay = {}) {
      const server = lab.process("livekit");
      await server.kill();
      await writeFile(configFile, toYaml(mergeTrees(...config, overlay)));
      await server.startAgain();
    },
    async [Symbol.asyncDispose]() {
      await clear();
      await lab.stop();
    },
  };
};

/** A TCP proxy in front of the SFU's signalling. */
export interface SignallingProxy extends AsyncDisposable {
  readonly url: string;
  /** Connections that were made through it so far. */
  connections(): number;
  /** Cuts all connections; new ones are made again at once. */
  cut(): void;
}

export const startSignallingProxy = async (target: string): Promise<SignallingProxy> => {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let count = 0;
  const server = createServer((near) => {
    count += 1;
    const far = connectTcp(Number(port), hostname);
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the proxy has no port");
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `ws://127.0.0.1:${address.port}`,
    connections: () => count,
    cut,
    async [Symbol.asyncDispose]() {
      cut();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
};
