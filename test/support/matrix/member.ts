import {
  createClient,
  ClientEvent,
  MatrixEventEvent,
  RoomEvent,
  type MatrixClient,
  type MatrixEvent,
  type Room,
} from "matrix-js-sdk";
import { MatrixRTCSessionEvent, type MatrixRTCSession } from "matrix-js-sdk/lib/matrixrtc/index.js";
import type { LabUser } from "../../../deploy/lab/homeserver.ts";
import { createSdkLogger, silenceSdkGlobalLogger } from "../../../src/matrix/sdk-log.ts";
import { createRecorder, type Recorder } from "../recorder.ts";
import { createTestLog } from "../log.ts";

export interface ReceivedKey {
  readonly identity: string;
  readonly index: number;
  readonly key: string;
}

/** A person's client with js-sdk as Element Web uses it: own device, real crypto, `client.matrixRTC`. */
export interface Member extends AsyncDisposable {
  readonly user: LabUser;
  readonly identity: string;
  readonly client: MatrixClient;
  /** Media keys in use, own ones too. */
  readonly keys: Recorder<ReceivedKey>;
  /** Identities of the members it sees, after every change. */
  readonly members: Recorder<readonly string[]>;
  room(roomId: string): Promise<Room>;
  join(roomId: string, options?: { readonly sticky?: boolean }): Promise<MatrixRTCSession>;
  leave(): Promise<void>;
  /** The next message of this sender in a room, or in one that fits, decrypted. */
  nextMessage(
    where: string | ((roomId: string) => boolean),
    sender: string,
  ): Promise<{ roomId: string; body: unknown; msgtype: unknown; encrypted: boolean }>;
}

const hex = (key: Uint8Array): string => Buffer.from(key).toString("hex");

export const startMember = async (homeserverUrl: string, serviceUrl: string, user: LabUser): Promise<Member> => {
  silenceSdkGlobalLogger();
  const client = createClient({
    baseUrl: homeserverUrl,
    accessToken: user.accessToken,
    userId: user.userId,
    deviceId: user.deviceId,
    logger: createSdkLogger(createTestLog().log, user.accessToken),
  });
  await client.initRustCrypto({ useIndexedDB: false });
  await client.startClient({ initialSyncLimit: 5 });
  const keys = createRecorder<ReceivedKey>();
  const members = createRecorder<readonly string[]>();
  let session: MatrixRTCSession | undefined;

  const room = (roomId: string): Promise<Room> =>
    new Promise((resolve) => {
      const check = (): void => {
        const found = client.getRoom(roomId);
        if (found === null || found.getMyMembership() !== "join") return;
        client.off(ClientEvent.Sync, check);
        resolve(found);
      };
      client.on(ClientEvent.Sync, check);
      check();
    });

  const leave = async (): Promise<void> => {
    await session?.leaveRoomSession(3_000);
    session = undefined;
  };

  return {
    user,
    identity: `${user.userId}:${user.deviceId}`,
    client,
    keys,
    members,
    room,
    leave,
    nextMessage: (where, sender) =>
      new Promise((resolve) => {
        const look = (event: MatrixEvent): void => {
          const roomId = event.getRoomId() ?? "";
          const isThere = typeof where === "string" ? roomId === where : where(roomId);
          if (!isThere || event.getSender() !== sender) return;
          if (event.getType() !== "m.room.message") return;
          client.off(RoomEvent.Timeline, look);
          client.off(MatrixEventEvent.Decrypted, look);
          const { body, msgtype } = event.getContent();
          resolve({ roomId, body: body as unknown, msgtype: msgtype as unknown, encrypted: event.isEncrypted() });
        };
        client.on(RoomEvent.Timeline, look);
        client.on(MatrixEventEvent.Decrypted, look);
      }),
    join: async (roomId, { sticky = false } = {}) => {
      const callRoom = await room(roomId);
      const joined = client.matrixRTC.getRoomSession(callRoom);
      session = joined;
      joined.on(MatrixRTCSessionEvent.EncryptionKeyChanged, (key, index, _member, identity) =>
        keys.push({ identity, index, key: hex(key) }),
      );
      joined.on(MatrixRTCSessionEvent.MembershipsChanged, (_before, now) =>
        members.push(now.map(({ rtcBackendIdentity }) => rtcBackendIdentity)),
      );
      const memberId = sticky ? crypto.randomUUID() : `${user.userId}:${user.deviceId}`;
      joined.joinRTCSession(
        { userId: user.userId, deviceId: user.deviceId, memberId },
        [],
        { type: "livekit", livekit_service_url: serviceUrl, livekit_alias: roomId },
        {
          manageMediaKeys: callRoom.hasEncryptionStateEvent(),
          delayedLeaveEventDelayMs: 18_000,
          delayedLeaveEventRestartMs: 4_000,
          unstableSendStickyEvents: sticky,
        },
      );
      await members.next("own membership", () =>
        joined.memberships.some(({ userId, deviceId }) => userId === user.userId && deviceId === user.deviceId),
      );
      return joined;
    },
    [Symbol.asyncDispose]: async () => {
      await leave();
      client.stopClient();
      client.removeAllListeners();
    },
  };
};
