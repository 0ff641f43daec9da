import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { GatewayError } from "../errors.ts";
import { createSlots } from "../slots.ts";

/**
 * scrypt (RFC 7914) with 32 MiB and about 0.1 s of one core per hash. More would be felt by every caller (the last digit of the PIN and the
 * conference heard may be 700 ms apart) and would still not save eight digits from somebody who has the store.
 */
const SCRYPT = { N: 2 ** 15, r: 8, p: 1 } as const;
const HASH_BYTES = 32;
const SALT_BYTES = 16;
const MAX_MEMORY_BYTES = 256 * 2 ** 20;
/** libuv has four threads for this and for DNS and files; more hashes than that would only wait there. */
const MAX_AT_ONCE = 4;

export interface PinHasher {
  /** `scrypt$N$r$p$salt$hash`, salt and hash in base64url. */
  hash(pin: string): Promise<string>;
  /**
   * Whether the PIN belongs to the hash; compared in constant time. `undefined` (there is no such conference) takes as long as a hash and is
   * false. Rejects with INTERNAL for a hash that is none.
   */
  verify(pin: string, stored: string | undefined): Promise<boolean>;
}

interface Parameters {
  readonly N: number;
  readonly r: number;
  readonly p: number;
}

const derive = (pin: string, salt: Uint8Array, { N, r, p }: Parameters): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    scrypt(pin, salt, HASH_BYTES, { N, r, p, maxmem: MAX_MEMORY_BYTES }, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });

const parse = (stored: string): { parameters: Parameters; salt: Buffer; hash: Buffer } => {
  const [kind, n, r, p, salt = "", hash = ""] = stored.split("$");
  const parameters = { N: Number(n), r: Number(r), p: Number(p) };
  const bytes = Buffer.from(hash, "base64url");
  if (kind !== "scrypt" || bytes.length !== HASH_BYTES || Object.values(parameters).some((value) => !(value > 0))) {
    // Not shown: even a damaged hash is nobody's business.
    throw new GatewayError("INTERNAL", "a stored PIN hash cannot be read: give the room a new PIN");
  }
  return { parameters, salt: Buffer.from(salt, "base64url"), hash: bytes };
};

/** Hashes and compares PINs, at most four at once: the others wait for their turn. */
export const createPinHasher = (): PinHasher => {
  const inSlot = createSlots(MAX_AT_ONCE);
  const unknownSalt = randomBytes(SALT_BYTES);
  const unknownHash = randomBytes(HASH_BYTES);
  return {
    hash: (pin) =>
      inSlot(async () => {
        const salt = randomBytes(SALT_BYTES);
        const key = await derive(pin, salt, SCRYPT);
        const { N, r, p } = SCRYPT;
        return ["scrypt", N, r, p, salt.toString("base64url"), key.toString("base64url")].join("$");
      }),
    verify: (pin, stored) =>
      inSlot(async () => {
        const known =
          stored === undefined ? { parameters: SCRYPT, salt: unknownSalt, hash: unknownHash } : parse(stored);
        const key = await derive(pin, known.salt, known.parameters);
        return timingSafeEqual(key, known.hash) && stored !== undefined;
      }),
  };
};
