import { webcrypto } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import * as fc from "fast-check";

import {
  createFrameEncryptor,
  createFrameKeys,
  decryptFrame,
  deriveFrameKey,
} from "../../../../src/media/sfu/light/frame-crypto.ts";

const MEDIA_KEY = Buffer.alloc(16, 7);
const FRAME = Buffer.from("a frame of audio");
const key = deriveFrameKey(MEDIA_KEY);

const encrypt = (frame: Uint8Array, index = 5): Buffer => {
  const encryptor = createFrameEncryptor();
  encryptor.setKey(key, index);
  const out = Buffer.alloc(1500);
  return out.subarray(3, encryptor.encryptInto(frame, out, 3));
};
const decrypt = (frame: Uint8Array): Uint8Array | undefined =>
  decryptFrame(frame, (index) => (index === 5 ? key : undefined));

describe("frame encryption", () => {
  test("a browser's WebCrypto reads it the way livekit-client does", async () => {
    const frame = encrypt(FRAME);
    const material = await webcrypto.subtle.importKey("raw", MEDIA_KEY, "HKDF", false, ["deriveKey"]);
    const derived = await webcrypto.subtle.deriveKey(
      { name: "HKDF", hash: "SHA-256", salt: Buffer.from("LKFrameEncryptionKey"), info: new ArrayBuffer(128) },
      material,
      { name: "AES-GCM", length: 128 },
      false,
      ["decrypt"],
    );
    const ivLength = frame.at(-2)!;
    const end = frame.length - 2 - ivLength;
    const plain = await webcrypto.subtle.decrypt(
      { name: "AES-GCM", iv: frame.subarray(end, end + ivLength), additionalData: frame.subarray(0, 1) },
      derived,
      frame.subarray(1, end),
    );
    expect(Buffer.concat([frame.subarray(0, 1), Buffer.from(plain)]).toString()).toBe(FRAME.toString());
    expect(frame.at(-1)).toBe(5);
  });

  test("frames of any length come back", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 1275 }), (frame) => {
        expect(decrypt(encrypt(frame))).toEqual(frame);
      }),
      { numRuns: 200 },
    );
  });

  test("the same frame is never the same twice", () => {
    const encryptor = createFrameEncryptor();
    encryptor.setKey(key, 0);
    const frames = Array.from({ length: 100 }, () => {
      const out = Buffer.alloc(100);
      return out.subarray(0, encryptor.encryptInto(FRAME, out, 0)).toString("hex");
    });
    expect(new Set(frames).size).toBe(100);
  });

  test.each([
    ["empty", Buffer.alloc(0)],
    ["shorter than its trailer", Buffer.alloc(30, 12)],
    ["an iv of 0 bytes", Buffer.concat([encrypt(FRAME).subarray(0, -2), Buffer.from([0, 5])])],
    ["an iv of 255 bytes", Buffer.concat([encrypt(FRAME).subarray(0, -2), Buffer.from([255, 5])])],
    ["an index without a key", encrypt(FRAME, 200)],
    ["cut off", encrypt(FRAME).subarray(0, -1)],
    ["its first byte changed", Buffer.concat([Buffer.from([1]), encrypt(FRAME).subarray(1)])],
    ["in clear", Buffer.from("a frame that nobody has encrypted, long enough to be one")],
  ])("%s: not decrypted, and nothing thrown", (_name, frame) => {
    expect(decrypt(frame)).toBeUndefined();
  });

  test("cut off anywhere, at either end, it is not decrypted", () => {
    const frame = encrypt(FRAME);
    for (let length = 0; length < frame.length; length++) {
      expect(decrypt(frame.subarray(0, length))).toBeUndefined();
      expect(decrypt(frame.subarray(frame.length - length))).toBeUndefined();
    }
  });

  test("no bytes make it throw", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (tail) =>
        expect(decrypt(Buffer.from([...tail, 12, 5]))).toBeUndefined(),
      ),
      { numRuns: 500 },
    );
  });
});

test("each member has keys of its own, the newest of an index counts", () => {
  const keys = createFrameKeys();
  keys.set("alice", 255, MEDIA_KEY);
  expect(keys.get("bob", 255)).toBeUndefined();
  expect(keys.get("alice", 0)).toBeUndefined();
  const newer = keys.set("alice", 255, Buffer.alloc(32, 1));
  expect(keys.get("alice", 255)).toBe(newer);
});
