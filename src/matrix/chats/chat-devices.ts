import { ClientEvent, type TimelineEvents } from "matrix-js-sdk";
import { GatewayError, toGatewayError } from "../../errors.ts";
import type { DeviceId, GhostUserId, RoomId } from "../../ids.ts";
import { type BotMessage, createBotEvents } from "../appservice/bot-events.ts";
import { LEGACY_CALL_TEXT, refusalOf, watchLegacyCalls } from "./legacy-calls.ts";
import { maskGhosts } from "../mask.ts";
import { type GhostDevice, type GhostDeviceDeps, openGhostDevice } from "../rtc/ghost-device.ts";
import { deleteDevices } from "../rtc/leftovers.ts";
import { within } from "../rtc/within.ts";
import { type Borrowed, createResidents } from "./residents.ts";

export interface ChatAddress {
  readonly room: RoomId;
  readonly ghost: GhostUserId;
}

/** `device` rejects with HOMESERVER_* or ENCRYPTION_FAILED. */
export type BorrowedDevice = Borrowed<GhostDevice>;

/**
 * The resident device of a ghost in a chat: what is written to the number between calls can only be read by a device that was there before,
 * and an answer must not wait for one to be made. About 1 MB each, so the least recently used are closed.
 */
export interface ChatDevices {
  /** Makes the device if there is none. Returns at once; a failure shows at `send`. */
  warm(chat: ChatAddress): void;
  /** Sends an event as the ghost, encrypted where the room is; resolves with its id. Rejects with GatewayError. */
  send(chat: ChatAddress, type: string, content: Record<string, unknown>): Promise<string>;
  /**
   * The device for a call in the chat, opened if there is none: a call that need not make one rings sooner. Undefined while another call has
   * it: two memberships of one device would be one.
   */
  borrow(chat: ChatAddress): BorrowedDevice | undefined;
  /** Closes the device of a chat that is over, once no call has it. */
  drop(room: RoomId): void;
  /** Deletes all devices. Bounded to 2 s. */
  close(): Promise<void>;
}

export interface ChatDevicesDeps extends GhostDeviceDeps {
  readonly isOurs: (user: string) => boolean;
  /** A message of the person in the chat. */
  readonly onMessage: (chat: ChatAddress, message: BotMessage) => void;
  readonly nowMs: () => number;
  readonly maxDevices?: number;
}

const MAX_DEVICES = 50;
const CLOSE_TIMEOUT_MS = 2000;

export const createChatDevices = (deps: ChatDevicesDeps): ChatDevices => {
  const { homeserver, liveDevices, log, maxDevices = MAX_DEVICES } = deps;
  const warn = (what: string, thrown: unknown): void => {
    const { code, message } = toGatewayError(thrown);
    log.warn({ code }, `${what}: ${maskGhosts(message)}`);
  };

  const refuseLegacyCall = (chat: ChatAddress, device: string, content: unknown): void => {
    const refusal = refusalOf(content, device);
    if (refusal === undefined) return;
    const told = send(chat, refusal.type, refusal.content).then(() =>
      send(chat, "m.room.message", { msgtype: "m.notice", body: LEGACY_CALL_TEXT }),
    );
    told.catch((error: unknown) => warn("a legacy call was not refused", error));
  };

  const open = async ({ ghost, room }: ChatAddress, deviceId: DeviceId): Promise<GhostDevice> => {
    const device = await openGhostDevice(deps, { ghost, roomId: room, deviceId });
    const { client } = device;
    const onEvent = createBotEvents({
      client,
      startedAtMs: deps.nowMs(),
      nowMs: deps.nowMs,
      isOurs: deps.isOurs,
      onMessage: (message) => deps.onMessage({ ghost, room }, message),
      // Nobody waits at the door of a chat of two.
      onReaction: () => {},
    });
    client.on(ClientEvent.Event, onEvent);
    const onInvite = (content: unknown): void => refuseLegacyCall({ ghost, room }, client.getDeviceId() ?? "", content);
    watchLegacyCalls(client, { isOurs: deps.isOurs, onInvite, nowMs: deps.nowMs });
    await device.keysUploaded;
    // Those of an earlier run; nobody reads with them any more.
    deleteDevices(homeserver, { ghost, roomId: room, spare: liveDevices }).catch((error: unknown) =>
      warn("old devices of a ghost were not deleted", error),
    );
    return device;
  };

  const residents = createResidents({
    open,
    most: maxDevices,
    onCloseFailed: (error) => warn("a ghost's device was not closed", error),
  });

  const send: ChatDevices["send"] = async (chat, type, content) => {
    const device = await residents.of(chat).device;
    await device.room(new AbortController().signal);
    try {
      const sent = await device.client.sendEvent(chat.room, type as keyof TimelineEvents, content as never);
      return sent.event_id;
    } catch (cause) {
      throw new GatewayError("HOMESERVER_REFUSED", "The ghost could not write into its chat", { cause });
    }
  };

  return {
    warm: (chat) => {
      residents.of(chat).device.catch((error: unknown) => warn("a ghost has no device in its chat", error));
    },
    send,
    borrow: (chat) => residents.borrow(chat),
    drop: (room) => residents.drop(room),
    close: () => within(residents.closeAll(), CLOSE_TIMEOUT_MS, undefined),
  };
};
