import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";

const VERSION = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEADER_BYTES = 1 + NONCE_BYTES + TAG_BYTES;

/** 32 bytes for AES-256. Never logged, never stored beside what it seals. */
export type SealingKey = Uint8Array & { readonly length: 32 };

/**
 * Seals with AES-256-GCM: version, nonce, tag, ciphertext. `owner` is authenticated but not contained, so that what was sealed for one
 * ghost cannot be put into the row of another.
 */
export const seal = (key: SealingKey, owner: string, plaintext: Uint8Array): Uint8Array => {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(Buffer.from(owner));
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return Buffer.concat([Buffer.of(VERSION), nonce, cipher.getAuthTag(), ciphertext]);
};

/** Throws when the key, the owner or the content is not what it was sealed with. */
export const unseal = (key: SealingKey, owner: string, sealed: Uint8Array): Uint8Array => {
  if (sealed.length < HEADER_BYTES || sealed[0] !== VERSION) throw new Error("not a sealed box of version 1");
  const nonce = sealed.subarray(1, 1 + NONCE_BYTES);
  const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(owner));
  decipher.setAuthTag(sealed.subarray(1 + NONCE_BYTES, HEADER_BYTES));
  return Buffer.concat([decipher.update(sealed.subarray(HEADER_BYTES)), decipher.final()]);
};
