import { z } from "zod";
import type { DeviceId, GhostUserId, RoomId } from "../../ids.ts";
import { deleteDevice, listDevices } from "../devices.ts";
import { MatrixError, matrixPath, type Homeserver } from "../homeserver.ts";
import { MEMBER_STATE_EVENT } from "./member-events.ts";

const DELAYED_EVENTS = ["org.matrix.msc4140", "delayed_events"] as const;

const delayedSchema = z.object({
  delayed_events: z.array(z.object({ delay_id: z.string(), room_id: z.string(), type: z.string() })),
});
const stateSchema = z.array(
  z.looseObject({
    type: z.string(),
    state_key: z.string(),
    sender: z.string(),
    content: z.record(z.string(), z.unknown()),
  }),
);

export interface LeftoversScope {
  readonly ghost: GhostUserId;
  readonly roomId: RoomId;
  /** Devices of running sessions, which are spared. */
  readonly spare: ReadonlySet<DeviceId>;
}

const isOneOf = (devices: ReadonlySet<DeviceId>, device: unknown): boolean => devices.has(device as DeviceId);

/**
 * Cancels the delayed leaves of a ghost in a room: those that a crashed session left would fire into the membership of the next one
 * (matrixrtc.md section 7). The listing does not say of which device one is, so not for a ghost that has a running session there.
 */
export const cancelDelayedLeaves = async (homeserver: Homeserver, ghost: GhostUserId, room: RoomId): Promise<void> => {
  const as = { userId: ghost };
  const path = matrixPath("client/unstable", ...DELAYED_EVENTS);
  // A homeserver without MSC4140 answers 404, which then means: none.
  const listed = delayedSchema.safeParse(await homeserver.request({ method: "GET", path, as }).catch(ignoreGone));
  const stale = (listed.data?.delayed_events ?? []).filter(
    (event) => event.room_id === room && event.type === MEMBER_STATE_EVENT,
  );
  for (const { delay_id: id } of stale) {
    const cancel = matrixPath("client/unstable", ...DELAYED_EVENTS, id, "cancel");
    await homeserver.request({ method: "POST", path: cancel, body: {}, as }).catch(ignoreGone);
  }
};

/** What was to be cancelled has fired meanwhile. */
const ignoreGone = (error: unknown): void => {
  if (!(error instanceof MatrixError && error.status === 404)) throw error;
};

/** Ends one membership. */
export const emptyMembership = async (
  homeserver: Homeserver,
  ghost: GhostUserId,
  room: RoomId,
  stateKey: string,
): Promise<void> => {
  await homeserver.request({
    method: "PUT",
    path: matrixPath("client/v3", "rooms", room, "state", MEMBER_STATE_EVENT, stateKey),
    body: {},
    as: { userId: ghost },
  });
};

/** Writes `{}` to every membership of the ghost in the room that no running session holds. */
export const emptyMemberships = async (homeserver: Homeserver, scope: LeftoversScope): Promise<void> => {
  const as = { userId: scope.ghost };
  const answer = await homeserver.request({
    method: "GET",
    path: matrixPath("client/v3", "rooms", scope.roomId, "state"),
    as,
  });
  const stale = (stateSchema.safeParse(answer).data ?? []).filter(
    ({ type, sender, content }) =>
      type === MEMBER_STATE_EVENT &&
      sender === scope.ghost &&
      Object.keys(content).length > 0 &&
      !isOneOf(scope.spare, content["device_id"]),
  );
  for (const { state_key: key } of stale) await emptyMembership(homeserver, scope.ghost, scope.roomId, key);
};

export const deleteDevices = async (homeserver: Homeserver, scope: LeftoversScope): Promise<void> => {
  const devices = await listDevices(homeserver, scope.ghost);
  for (const device of devices.filter((device) => !scope.spare.has(device))) {
    await deleteDevice(homeserver, scope.ghost, device);
  }
};
