import { join } from "node:path";
import { connect as connectTcp, createServer, type Socket } from "node:net";

import { AccessToken, RoomServiceClient } from "livekit-server-sdk";

import { installLivekitServer } from "../../../deploy/lab/install/livekit-server.ts";
import { type Lab, startLab } from "../../../deploy/lab/lab.ts";
import { answersHttp, type ServerProcess, startServer } from "../../../deploy/lab/process.ts";
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
  /** Server side ids by identity. */
  participants(): Promise<ReadonlyMap<string, string>>;
  kick(identity: string): Promise<void>;
  restartServer(): Promise<void>;
  /** Kills the members and begins with an empty room. */
  clear(): Promise<void>;
}

export const startSfuRoom = async (): Promise<SfuRoom> => {
  const lab = await startLab({ parts: ["livekit"] });
  const { wsUrl, httpUrl, apiKey, apiSecret } = lab.livekit;
  const service = new RoomServiceClient(httpUrl, apiKey, apiSecret);
  const members: SfuMember[] = [];
  let room: string = crypto.randomUUID();
  let restarted: ServerProcess | undefined;

  const key = (identity: string, index = 0): Uint8Array => {
    const bytes = Buffer.alloc(16, index + 1);
    bytes.write(identity);
    return bytes;
  };
  const address = async (identity: string, { encrypted = true, sfuUrl = wsUrl }: MemberOptions = {}) => {
    const token = new AccessToken(apiKey, apiSecret, { identity });
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
    kick: (identity) => service.removeParticipant(room, identity),
    async restartServer() {
      if (restarted === undefined) await lab.process("livekit").kill();
      else await restarted.kill();
      restarted = await startServer({
        name: "livekit",
        command: await installLivekitServer(() => {}),
        args: ["--config", join(lab.folder, "livekit.yaml")],
        logFile: lab.log("livekit"),
        ready: answersHttp(`${httpUrl}/`),
        hint: "the first start worked: look at the end of its log",
        stopGraceMs: 300,
      });
    },
    async [Symbol.asyncDispose]() {
      await clear();
      await restarted?.stop();
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
