import type { MatrixClient } from "matrix-js-sdk";
import type { CryptoApi } from "matrix-js-sdk/lib/crypto-api/index.js";
import type { MediaKeyTarget } from "../crypto/media-key-sender.ts";
import { queryDeviceKeysNow } from "./sdk-workarounds.ts";

type Batch = Awaited<ReturnType<CryptoApi["encryptToDeviceMessages"]>>;

const cryptoOf = (client: MatrixClient): CryptoApi => {
  const crypto = client.getCrypto();
  if (crypto === undefined) throw new Error("the client has no crypto");
  return crypto;
};

/**
 * Encrypts a to-device message for each device and queues it; resolves with the devices it could not be encrypted for. The SDK fails the
 * whole batch when one device has no one-time key left, so then each device is tried alone.
 */
export const encryptForDevices = async (
  client: MatrixClient,
  type: string,
  targets: readonly MediaKeyTarget[],
  payload: object,
  { send } = { send: true },
): Promise<readonly MediaKeyTarget[]> => {
  const crypto = cryptoOf(client);
  const encrypt = (devices: MediaKeyTarget[]): Promise<Batch> => crypto.encryptToDeviceMessages(type, devices, payload);
  const encryptOne = (device: MediaKeyTarget): Promise<Batch["batch"]> =>
    encrypt([device]).then(
      ({ batch }) => batch,
      () => [],
    );
  const messages = await encrypt([...targets]).then(
    ({ batch }) => batch,
    async () => (await Promise.all(targets.map(encryptOne))).flat(),
  );
  if (send && messages.length > 0) await client.queueToDevice({ eventType: "m.room.encrypted", batch: messages });
  return targets.filter(
    ({ userId, deviceId }) => !messages.some((message) => message.userId === userId && message.deviceId === deviceId),
  );
};

/** Curve25519 key of a device; a device that is not known (yet) is asked for at the homeserver. */
export const deviceIdentityKey = async (
  client: MatrixClient,
  user: string,
  device: string,
): Promise<string | undefined> => {
  const look = async (): Promise<string | undefined> => {
    const devices = (await cryptoOf(client).getUserDeviceInfo([user])).get(user);
    return devices?.get(device)?.getIdentityKey();
  };
  const known = await look();
  if (known !== undefined) return known;
  await queryDeviceKeysNow(client, [user]);
  return look();
};
