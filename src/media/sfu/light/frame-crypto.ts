/**
 * Frame encryption of LiveKit and Element Call for audio (livekit-client `src/e2ee`, facts: livekit.md section 5): AES-128-GCM
 * with a key derived from the media key. `first byte in clear | ciphertext | tag (16) | iv (12) | iv length | key index`.
 */
import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, type KeyObject, randomBytes } from "node:crypto";

const CIPHER = "aes-128-gcm";
const SALT = Buffer.from("LKFrameEncryptionKey");
const INFO = Buffer.alloc(128);
const CLEAR_BYTES = 1;
const TAG_BYTES = 16;
const IV_BYTES = 12;
const TRAILER_BYTES = 2;
const OVERHEAD_BYTES = TAG_BYTES + IV_BYTES + TRAILER_BYTES;

/** @param mediaKey as the member sent it, of any length */
export const deriveFrameKey = (mediaKey: Uint8Array): KeyObject =>
  // A KeyObject, because a raw key costs four times as much in every frame.
  createSecretKey(Buffer.from(hkdfSync("sha256", mediaKey, SALT, INFO, 16)));

/** Encrypts the frames of one track. */
export interface FrameEncryptor {
  setKey(key: KeyObject, index: number): void;
  hasKey(): boolean;
  /** Writes the encrypted frame to `out` from `offset` on and returns where it ends. Needs a key and a frame of one byte at least. */
  encryptInto(frame: Uint8Array, out: Buffer, offset: number): number;
}

export const createFrameEncryptor = (): FrameEncryptor => {
  // Never the same iv twice under a key: chance for each track, a counter for each frame.
  const iv = Buffer.concat([randomBytes(8), Buffer.alloc(4)]);
  let counter = 0;
  let key: KeyObject | undefined;
  let keyIndex = 0;
  return {
    setKey(newKey, index) {
      key = newKey;
      keyIndex = index;
    },
    hasKey: () => key !== undefined,
    encryptInto(frame, out, offset) {
      if (key === undefined) throw new Error("no key to encrypt with");
      iv.writeUInt32BE(counter, 8);
      counter = (counter + 1) >>> 0;
      const cipher = createCipheriv(CIPHER, key, iv);
      const clear = frame.subarray(0, CLEAR_BYTES);
      cipher.setAAD(clear);
      out.set(clear, offset);
      let end = offset + CLEAR_BYTES;
      const encrypted = cipher.update(frame.subarray(CLEAR_BYTES));
      cipher.final();
      for (const part of [encrypted, cipher.getAuthTag(), iv]) {
        out.set(part, end);
        end += part.length;
      }
      out[end] = IV_BYTES;
      out[end + 1] = keyIndex;
      return end + TRAILER_BYTES;
    },
  };
};

/** Undefined: without its key, or not what the member has encrypted. The result is a copy. */
export const decryptFrame = (
  frame: Uint8Array,
  keyOf: (index: number) => KeyObject | undefined,
): Uint8Array | undefined => {
  const { length } = frame;
  if (length < CLEAR_BYTES + OVERHEAD_BYTES || frame[length - 2] !== IV_BYTES) return undefined;
  const key = keyOf(frame[length - 1]!);
  if (key === undefined) return undefined;
  const ivAt = length - TRAILER_BYTES - IV_BYTES;
  const tagAt = ivAt - TAG_BYTES;
  const clear = frame.subarray(0, CLEAR_BYTES);
  const decipher = createDecipheriv(CIPHER, key, frame.subarray(ivAt, ivAt + IV_BYTES));
  decipher.setAAD(clear);
  decipher.setAuthTag(frame.subarray(tagAt, ivAt));
  try {
    const decrypted = decipher.update(frame.subarray(CLEAR_BYTES, tagAt));
    decipher.final();
    const plain = new Uint8Array(CLEAR_BYTES + decrypted.length);
    plain.set(clear);
    plain.set(decrypted, CLEAR_BYTES);
    return plain;
  } catch {
    return undefined;
  }
};

/** Keys of everybody: per identity one per index, 256 of them as in Element Call; the newest of an index counts. */
export interface FrameKeys {
  set(identity: string, index: number, mediaKey: Uint8Array): KeyObject;
  get(identity: string, index: number): KeyObject | undefined;
}

export const createFrameKeys = (): FrameKeys => {
  const rings = new Map<string, Map<number, KeyObject>>();
  return {
    set(identity, index, mediaKey) {
      const ring = rings.get(identity) ?? new Map<number, KeyObject>();
      rings.set(identity, ring);
      const key = deriveFrameKey(mediaKey);
      ring.set(index, key);
      return key;
    },
    get: (identity, index) => rings.get(identity)?.get(index),
  };
};
