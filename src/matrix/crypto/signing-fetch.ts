import type { UserIdentity } from "./cross-signing.ts";

/**
 * A `fetch` for the SDK client of a new device: adds the owner's signature to the device keys on their way out, so that the device is
 * cross-signed from its first moment and without a request of its own.
 * @param identityOf asked when the keys go out: the user need not exist before.
 * @param onUploaded called when the homeserver took the keys: the SDK itself only logs a failure.
 */
export const createSigningFetch =
  (identityOf: () => Promise<UserIdentity>, onUploaded: () => void = () => {}): typeof globalThis.fetch =>
  async (input, init) => {
    const url = input instanceof Request ? input.url : String(input);
    if (!url.includes("/keys/upload") || typeof init?.body !== "string") return fetch(input, init);
    const body = JSON.parse(init.body) as { device_keys?: Record<string, unknown> };
    if (body.device_keys === undefined) return fetch(input, init);
    const signer = await identityOf();
    const signed = JSON.stringify({ ...body, device_keys: signer.signDevice(body.device_keys) });
    const response = await fetch(input, { ...init, body: signed });
    if (response.ok) onUploaded();
    return response;
  };
