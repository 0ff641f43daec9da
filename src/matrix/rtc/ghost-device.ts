import { ClientEvent, Filter, type MatrixClient, type Room } from "matrix-js-sdk";
import { GatewayError } from "../../errors.ts";
import { type DeviceId, type GhostUserId, type RoomId, type UserId, userId as toUserId } from "../../ids.ts";
import type { Log } from "../../log.ts";
import { createMasqueradingClient } from "../client.ts";
import type { CrossSigning } from "../crypto/cross-signing.ts";
import { createSigningFetch } from "../crypto/signing-fetch.ts";
import { deleteDevice, ensureDevice } from "../devices.ts";
import type { Homeserver } from "../homeserver.ts";
import { followDevicesOf, repairEncryptedStickyEvents, uploadDeviceKeysNow } from "./sdk-workarounds.ts";
import type { StartAnswers } from "./start-answers.ts";
import type { SyncPace } from "./sync-pace.ts";
import { trimSync } from "./sync-trim.ts";
import { within } from "./within.ts";

/** What all devices of the gateway share. */
export interface SharedByDevices {
  /** Devices of running sessions: `cleanUp` spares them. */
  readonly liveDevices: Set<DeviceId>;
  readonly syncPace: SyncPace;
  readonly startAnswers: StartAnswers;
}

export interface GhostDeviceDeps extends SharedByDevices {
  readonly homeserver: Homeserver;
  readonly crossSigning: CrossSigning;
  readonly log: Log;
  /** Ghosts need nothing of each other's devices: no media keys pass between them. */
  readonly isGhost: (user: UserId) => boolean;
}

export interface GhostDeviceRequest {
  readonly ghost: GhostUserId;
  readonly roomId: RoomId;
  /** A new one: a device whose keys were lost must not be used again. */
  readonly deviceId: DeviceId;
  /** The ghost is not in the room yet: nothing is synced before `joined()`, as none of it would be of use. */
  readonly joinsLater?: boolean;
}

/** A ghost's device for one session: new id, new keys, own /sync limited to one room. Lives in memory only. */
export interface GhostDevice {
  readonly client: MatrixClient;
  /** Resolves when the device's keys are on the homeserver: others can encrypt for it from now on. */
  readonly keysUploaded: Promise<void>;
  /** The ghost is in the room now. */
  joined(): void;
  /** Resolves when the ghost is joined and the room's state is here. Rejects with the signal's reason, or HOMESERVER_UNAVAILABLE after 15 s. */
  room(signal: AbortSignal): Promise<Room>;
  /** Its membership is written: others send it their media keys now. */
  published(): void;
  /** It has sent its media key and got theirs. */
  settled(): void;
  /** Stops /sync and deletes the device. */
  close(): Promise<void>;
}

/** The SDK repeats a failing /sync for ever. */
const ROOM_TIMEOUT_MS = 15_000;
/** Per /sync: what comes in one burst (members that join at once) should not be a gap. */
const TIMELINE_EVENTS = 20;
/** Of a device that is closed while its keys are on their way; a call ends within 2 s. */
const UPLOAD_TIMEOUT_MS = 1000;
const DEVICE_NAME = "Phone (SIP gateway)";

/** The SDK only logs when an upload fails, so success is taken from the answer itself. */
const uploadKeys = async (client: MatrixClient, isUploaded: () => boolean): Promise<void> => {
  await uploadDeviceKeysNow(client);
  if (isUploaded()) return;
  throw new GatewayError("ENCRYPTION_FAILED", "The homeserver did not take the keys of a ghost's device", {
    retryable: true,
  });
};

/** Only this room; its members whole: js-sdk drops memberships of users it does not know to be joined (stack.md, traps). */
const roomFilter = (user: GhostUserId, room: RoomId): Filter => {
  const filter = new Filter(user);
  filter.setDefinition({
    room: {
      rooms: [room],
      timeline: { limit: TIMELINE_EVENTS },
      ephemeral: { not_types: ["*"] },
      account_data: { not_types: ["*"] },
    },
    presence: { not_types: ["*"] },
    account_data: { not_types: ["*"] },
  });
  return filter;
};

const waitForRoom = (client: MatrixClient, roomId: RoomId, signal: AbortSignal): Promise<Room> =>
  new Promise((resolve, reject) => {
    const finish = (settle: () => void): void => {
      clearTimeout(timer);
      client.off(ClientEvent.Sync, check);
      signal.removeEventListener("abort", onAbort);
      settle();
    };
    const onAbort = (): void => finish(() => reject(signal.reason as Error));
    const check = (): void => {
      const room = client.getRoom(roomId);
      if (room?.getMyMembership() === "join") finish(() => resolve(room));
    };
    const onTimeout = (): void => {
      const message = "The homeserver did not send the room to the phone in time";
      finish(() => reject(new GatewayError("HOMESERVER_UNAVAILABLE", message, { retryable: true })));
    };
    const timer = setTimeout(onTimeout, ROOM_TIMEOUT_MS);
    client.on(ClientEvent.Sync, check);
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) onAbort();
    else check();
  });

/** Makes the device and starts its /sync. Rejects with HOMESERVER_* or ENCRYPTION_FAILED. */
export const openGhostDevice = async (
  deps: GhostDeviceDeps,
  { ghost, roomId, deviceId: device, joinsLater = false }: GhostDeviceRequest,
): Promise<GhostDevice> => {
  const { homeserver, crossSigning, log, isGhost, liveDevices, syncPace, startAnswers } = deps;
  liveDevices.add(device);
  const paced = syncPace.enter(roomId, { joinsLater });
  const forget = (): void => {
    paced.leave();
    liveDevices.delete(device);
  };
  const identity = crossSigning.identityOf(ghost);
  // Awaited with the key upload below; its failure must not be an unhandled one until then.
  identity.catch(() => {});

  const drop = async (): Promise<void> => {
    try {
      await deleteDevice(homeserver, ghost, device);
    } finally {
      // Also when the homeserver did not answer: cleaning up later must not spare it.
      forget();
    }
  };
  try {
    await ensureDevice(homeserver, ghost, device, DEVICE_NAME);
  } catch (error) {
    forget();
    throw error;
  }

  repairEncryptedStickyEvents();
  let uploaded = false;
  const client = createMasqueradingClient(homeserver, {
    userId: ghost,
    deviceId: device,
    log,
    fetchFn: paced.pace(
      trimSync(
        startAnswers.remember(
          createSigningFetch(
            () => identity,
            () => {
              uploaded = true;
            },
          ),
        ),
        (user) => user !== ghost && isGhost(toUserId(user)),
      ),
    ),
  });
  try {
    await client.initRustCrypto({ useIndexedDB: false });
    followDevicesOf(client, (user) => !isGhost(toUserId(user)));
    const keysUploaded = identity.then(() => uploadKeys(client, () => uploaded));
    keysUploaded.catch(() => {});
    await client.startClient({ initialSyncLimit: 1, filter: roomFilter(ghost, roomId), disablePresence: true });
    return {
      client,
      keysUploaded,
      joined: () => paced.joined(),
      room: (signal) => waitForRoom(client, roomId, signal),
      published: () => paced.published(),
      settled: () => paced.settled(),
      close: async () => {
        // Keys that reach the homeserver after the device was deleted make it anew.
        await within(
          keysUploaded.catch(() => {}),
          UPLOAD_TIMEOUT_MS,
          undefined,
        );
        client.stopClient();
        client.removeAllListeners();
        await drop();
      },
    };
  } catch (error) {
    client.stopClient();
    await drop().catch(() => {});
    throw new GatewayError("ENCRYPTION_FAILED", "The encryption of a ghost's device cannot be started", {
      cause: error,
    });
  }
};
