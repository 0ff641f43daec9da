import { randomBytes } from "node:crypto";
import { z } from "zod";
import { deviceId, type DeviceId, type UserId } from "../ids.ts";
import { MatrixError, matrixPath, type Homeserver } from "./homeserver.ts";

const devicesSchema = z.object({ devices: z.array(z.object({ device_id: z.string() })) });

/** A device whose keys were lost must not be used again (stack.md, traps), so every session takes a new id. */
export const newDeviceId = (): DeviceId => deviceId(`GW${randomBytes(5).toString("hex").toUpperCase()}`);

/** Creates the device, or renames it when it exists (MSC4190). */
export const ensureDevice = async (
  homeserver: Homeserver,
  user: UserId,
  device: DeviceId,
  displayName: string,
): Promise<void> => {
  await homeserver.request({
    method: "PUT",
    path: matrixPath("client/v3", "devices", device),
    body: { display_name: displayName },
    as: { userId: user },
  });
};

/** Deletes the device with its keys (MSC4190: no user-interactive authentication). A device that is gone already is fine. */
export const deleteDevice = async (homeserver: Homeserver, user: UserId, device: DeviceId): Promise<void> => {
  try {
    await homeserver.request({
      method: "DELETE",
      path: matrixPath("client/v3", "devices", device),
      body: {},
      as: { userId: user },
    });
  } catch (error) {
    if (error instanceof MatrixError && error.status === 404) return;
    throw error;
  }
};

export const listDevices = async (homeserver: Homeserver, user: UserId): Promise<readonly DeviceId[]> => {
  const answer = await homeserver.request({
    method: "GET",
    path: matrixPath("client/v3", "devices"),
    as: { userId: user },
  });
  return devicesSchema.parse(answer).devices.map(({ device_id }) => deviceId(device_id));
};
