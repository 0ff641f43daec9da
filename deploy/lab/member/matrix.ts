import { randomUUID } from "node:crypto";

import {
  ClientEvent,
  Filter,
  MatrixClient,
  MatrixEventEvent,
  type MatrixEvent,
  MemoryStore,
  type Room,
} from "matrix-js-sdk";
import type { Logger } from "matrix-js-sdk/lib/logger.js";
import type { LivekitTransport } from "matrix-js-sdk/lib/matrixrtc/index.js";
import { SyncState } from "matrix-js-sdk/lib/sync.js";

import { silenceSdkGlobalLogger } from "../../../src/matrix/sdk-log.ts";

export interface MemberAccount {
  readonly homeserverUrl: string;
  readonly userId: string;
  readonly password: string;
  readonly roomId: string;
}

export interface MemberMatrix {
  readonly client: MatrixClient;
  readonly room: Room;
  readonly userId: string;
  readonly deviceId: string;
  readonly encrypted: boolean;
}

const nothing = (): void => {};
const silentLogger: Logger = {
  trace: nothing,
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  getChild: () => silentLogger,
};

/** Logs in as a new device: crypto lives in memory, and a device with lost keys must not be used again. */
export async function logIn(account: Omit<MemberAccount, "roomId">): Promise<MatrixClient> {
  silenceSdkGlobalLogger();
  const { homeserverUrl, userId, password } = account;
  const login = await new MatrixClient({ baseUrl: homeserverUrl, logger: silentLogger }).loginRequest({
    type: "m.login.password",
    identifier: { type: "m.id.user", user: userId },
    password,
    initial_device_display_name: "lab member",
  });
  const client = new MatrixClient({
    baseUrl: homeserverUrl,
    userId: login.user_id,
    deviceId: login.device_id,
    accessToken: login.access_token,
    store: new MemoryStore(),
    disableVoip: true,
    logger: silentLogger,
  });
  await client.initRustCrypto({ useIndexedDB: false });
  return client;
}

/** Logs in and syncs the room. */
export async function startMatrix(account: MemberAccount): Promise<MemberMatrix> {
  const { roomId } = account;
  const client = await logIn(account);
  const userId = client.getSafeUserId();
  // No lazy loading of members: js-sdk drops a call membership whose sender it does not know.
  const filter = new Filter(userId);
  filter.setDefinition({ room: { rooms: [roomId], timeline: { limit: 20 } }, presence: { not_types: ["*"] } });
  await client.startClient({ filter });
  await synced(client);
  const room = client.getRoom(roomId);
  if (room === null) throw new Error(`${userId} is not in the room ${roomId}`);
  const encrypted = room.hasEncryptionStateEvent();
  if (encrypted)
    await learnDevices(
      client,
      room.getJoinedMembers().map((member) => member.userId),
    );
  neverSkipDevices(client);
  return { client, room, userId, deviceId: client.getDeviceId() ?? "", encrypted };
}

/** Resolves with the first /sync. */
export async function synced(client: MatrixClient): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    client.on(ClientEvent.Sync, function onSync(state: SyncState): void {
      if (state !== SyncState.Prepared && state !== SyncState.Error) return;
      client.off(ClientEvent.Sync, onSync);
      if (state === SyncState.Prepared) resolve();
      else reject(new Error("the first sync failed"));
    });
  });
}

const learnDevices = async (client: MatrixClient, userIds: string[]): Promise<void> => {
  await client.getCrypto()!.getUserDeviceInfo(userIds, true);
};

/** js-sdk silently sends no key to a device it has not heard of yet, and never tries again: ask the server first. */
function neverSkipDevices(client: MatrixClient): void {
  const send = client.encryptAndSendToDevice.bind(client);
  client.encryptAndSendToDevice = async (type, devices, payload) => {
    const known = await client.getCrypto()!.getUserDeviceInfo(devices.map(({ userId }) => userId));
    const strangers = devices.filter(({ userId, deviceId }) => known.get(userId)?.has(deviceId) !== true);
    if (strangers.length > 0)
      await learnDevices(
        client,
        strangers.map(({ userId }) => userId),
      );
    await send(type, devices, payload);
  };
}

export interface SfuAccess {
  /** What goes into the membership. */
  readonly transport: LivekitTransport;
  readonly url: string;
  readonly token: string;
  readonly identity: string;
  readonly memberId: string;
}

/** Discovers the SFU and gets a token for it, by the endpoint that fits the kind of membership. */
export async function requestSfuAccess(matrix: MemberMatrix, sticky: boolean): Promise<SfuAccess> {
  const { client, userId, deviceId } = matrix;
  const { roomId } = matrix.room;
  const transports = await client._unstable_getRTCTransports();
  const found = transports.find((each) => each.type === "livekit") as LivekitTransport | undefined;
  if (found === undefined) throw new Error("the homeserver announces no LiveKit transport");
  const openid_token = await client.getOpenIdToken();
  const memberId = sticky ? randomUUID() : `${userId}:${deviceId}`;
  const body = sticky
    ? {
        room_id: roomId,
        slot_id: "m.call#ROOM",
        openid_token,
        member: { id: memberId, claimed_user_id: userId, claimed_device_id: deviceId },
      }
    : { room: roomId, openid_token, device_id: deviceId };
  const path = sticky ? "get_token" : "sfu/get";
  const response = await fetch(`${found.livekit_service_url}/${path}`, { method: "POST", body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`the token service answered ${response.status} to /${path}`);
  const { url, jwt } = (await response.json()) as { url: string; jwt: string };
  const claims = JSON.parse(Buffer.from(jwt.split(".")[1]!, "base64url").toString()) as { sub: string };
  return {
    transport: sticky ? found : { ...found, livekit_alias: roomId },
    url,
    token: jwt,
    identity: claims.sub,
    memberId,
  };
}

export interface ReadMessage {
  readonly sender: string;
  readonly msgtype: string;
  readonly body: string;
  readonly atMs: number;
}

/** Calls `onMessage` for every readable text of the room, once each. */
export function watchMessages({ client, room }: MemberMatrix, onMessage: (message: ReadMessage) => void): void {
  const seen = new Set<string>();
  const look = (event: MatrixEvent): void => {
    const id = event.getId() ?? "~";
    // "~": a local echo, it comes again from the server.
    if (event.getRoomId() !== room.roomId || event.getType() !== "m.room.message" || id.startsWith("~")) return;
    if (seen.has(id)) return;
    seen.add(id);
    const content = event.getContent();
    onMessage({
      sender: event.getSender() ?? "",
      msgtype: String(content["msgtype"]),
      body: String(content["body"]),
      atMs: performance.timeOrigin + performance.now(),
    });
  };
  client.on(ClientEvent.Event, look);
  client.on(MatrixEventEvent.Decrypted, look);
}
