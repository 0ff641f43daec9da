import * as Wasm from "@matrix-org/matrix-sdk-crypto-wasm";
import { ClientEvent, createClient, Filter, type MatrixClient, SyncState } from "matrix-js-sdk";

import type { PageSession } from "./protocol.ts";

export interface MatrixSession {
  readonly client: MatrixClient;
  readonly userId: string;
  readonly deviceId: string;
}

/** Logs in as a new device, starts crypto and the sync, and learns the devices of everybody in the room. */
export async function startMatrix(session: PageSession): Promise<MatrixSession> {
  // initRustCrypto would look for the wasm file beside its own module, which the bundle no longer has.
  await Wasm.initAsync(new URL("/crypto.wasm", location.origin));
  const login = await createClient({ baseUrl: session.homeserver }).loginRequest({
    type: "m.login.password",
    identifier: { type: "m.id.user", user: session.user },
    password: session.password,
    initial_device_display_name: "Element Call (lab)",
  });
  const client = createClient({
    baseUrl: session.homeserver,
    userId: login.user_id,
    deviceId: login.device_id,
    accessToken: login.access_token,
    timelineSupport: true,
  });
  await client.initRustCrypto({ useIndexedDB: false });
  // One room only, and no lazy loading of members: js-sdk drops a call membership whose sender it does not know.
  const filter = new Filter(login.user_id);
  filter.setDefinition({
    room: { rooms: [session.room], timeline: { limit: 20 } },
    presence: { not_types: ["*"] },
  });
  await client.startClient({ filter });
  await synced(client);
  const room = client.getRoom(session.room);
  if (room === null) throw new Error(`${login.user_id} is not in the room ${session.room}`);
  // A person's Element Web has run for days and knows every device in the room; a device that is not known gets no
  // media key, silently. So this page, seconds old, asks once.
  const members = room.getJoinedMembers().map((member) => member.userId);
  await client.getCrypto()?.getUserDeviceInfo(members, true);
  return { client, userId: login.user_id, deviceId: login.device_id };
}

async function synced(client: MatrixClient): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const onSync = (state: SyncState): void => {
      if (state !== SyncState.Prepared && state !== SyncState.Error) return;
      client.off(ClientEvent.Sync, onSync);
      if (state === SyncState.Prepared) resolve();
      else reject(new Error("the first sync failed"));
    };
    client.on(ClientEvent.Sync, onSync);
  });
}
