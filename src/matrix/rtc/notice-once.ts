import type { GhostUserId, RoomId } from "../../ids.ts";
import { newDeviceId } from "../devices.ts";
import { MatrixError, matrixPath, type Homeserver } from "../homeserver.ts";
import { openGhostDevice, type GhostDeviceDeps } from "./ghost-device.ts";

const isEncrypted = async (homeserver: Homeserver, ghost: GhostUserId, room: RoomId): Promise<boolean> => {
  try {
    await homeserver.request({
      method: "GET",
      path: matrixPath("client/v3", "rooms", room, "state", "m.room.encryption", ""),
      as: { userId: ghost },
    });
    return true;
  } catch (error) {
    if (error instanceof MatrixError && error.status === 404) return false;
    throw error;
  }
};

/** Writes one notice as a ghost that is in the room; encrypted where the room is, which needs a device for a moment. */
export const writeNoticeOnce = async (
  deps: GhostDeviceDeps,
  ghost: GhostUserId,
  room: RoomId,
  text: string,
): Promise<void> => {
  const { homeserver } = deps;
  const deviceId = newDeviceId();
  if (!(await isEncrypted(homeserver, ghost, room))) {
    await homeserver.request({
      method: "PUT",
      path: matrixPath("client/v3", "rooms", room, "send", "m.room.message", deviceId),
      body: { msgtype: "m.notice", body: text },
      as: { userId: ghost },
    });
    return;
  }
  const device = await openGhostDevice(deps, { ghost, roomId: room, deviceId });
  try {
    await device.room(new AbortController().signal);
    await device.keysUploaded;
    await device.client.sendNotice(room, text);
  } finally {
    await device.close();
  }
};
