import { createHmac } from "node:crypto";

const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";
const LENGTH = 12;

/** 12 base32 characters of HMAC-SHA256: the same for the same text, and telling nothing of it without the secret. */
export const createMask = (secret: Uint8Array): ((text: string) => string) => {
  // A key of its own: the secret also seals other things.
  const key = createHmac("sha256", secret).update("caller ids").digest();
  return (text) => {
    const digest = createHmac("sha256", key).update(text).digest();
    let bits = BigInt(`0x${digest.subarray(0, 8).toString("hex")}`) >> 4n;
    let mask = "";
    for (let index = 0; index < LENGTH; index += 1) {
      mask = (BASE32[Number(bits & 31n)] ?? "") + mask;
      bits >>= 5n;
    }
    return mask;
  };
};
