import { createPrivateKey, generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import { canonicalJson } from "./canonical-json.ts";

/** Private and public half as in a JSON Web Key (RFC 8037), base64url. */
export interface Ed25519Secret {
  readonly d: string;
  readonly x: string;
}

export interface Ed25519Key {
  /** Unpadded base64, as Matrix writes it; also the key id behind `ed25519:` of cross-signing keys. */
  readonly publicKey: string;
  readonly privateKey: KeyObject;
}

export interface Signed {
  readonly signatures?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly [key: string]: unknown;
}

const unpadded = (base64: string): string => base64.replace(/=+$/, "");

export const newEd25519Secret = (): Ed25519Secret => {
  const { d, x } = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" });
  return { d: d as string, x: x as string };
};

export const ed25519KeyOf = ({ d, x }: Ed25519Secret): Ed25519Key => ({
  publicKey: unpadded(Buffer.from(x, "base64url").toString("base64")),
  privateKey: createPrivateKey({ key: { kty: "OKP", crv: "Ed25519", d, x }, format: "jwk" }),
});

/** Adds `user`'s signature to an object ("Signing JSON"): over everything but `signatures` and `unsigned`. */
export const signJson = <T extends Signed>(object: T, user: string, key: Ed25519Key): T => {
  const { signatures, unsigned: _unsigned, ...signedPart } = object;
  const signature = sign(null, Buffer.from(canonicalJson(signedPart)), key.privateKey).toString("base64");
  return {
    ...object,
    signatures: {
      ...signatures,
      [user]: { ...signatures?.[user], [`ed25519:${key.publicKey}`]: unpadded(signature) },
    },
  };
};
