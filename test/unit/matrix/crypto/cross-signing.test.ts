import { createPublicKey, randomBytes, verify } from "node:crypto";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { ghostUserId } from "../../../../src/ids.ts";
import { canonicalJson } from "../../../../src/matrix/crypto/canonical-json.ts";
import { createCrossSigning } from "../../../../src/matrix/crypto/cross-signing.ts";
import { seal, unseal, type SealingKey } from "../../../../src/matrix/crypto/sealed-box.ts";
import { loadSealingKey } from "../../../../src/matrix/crypto/sealing-key.ts";
import { createHomeserver } from "../../../../src/matrix/homeserver.ts";
import { startFakeHttp, type FakeHttp } from "../../../support/fake-http.ts";

const GHOST = ghostUserId("@tel_+33140506070:lab");
const newKey = (): SealingKey => new Uint8Array(randomBytes(32)) as SealingKey;

let http: FakeHttp;
beforeEach(async () => {
  http = await startFakeHttp(() => ({ status: 200, body: {} }));
});
afterEach(() => http.close());

const setUp = (rows = new Map<string, Uint8Array>(), sealingKey = newKey()) => ({
  rows,
  sealingKey,
  crossSigning: createCrossSigning({
    homeserver: createHomeserver({ url: http.url, asToken: "token" }),
    store: { load: (ghost) => rows.get(ghost), save: (ghost, sealed) => void rows.set(ghost, sealed) },
    sealingKey,
  }),
});

type KeyObject = { keys: Record<string, string>; signatures?: Record<string, Record<string, string>> };
const publicKeyOf = (key: KeyObject): string => Object.values(key.keys)[0] ?? "";

const isSignedBy = (object: KeyObject, publicKey: string): boolean => {
  const { signatures, ...signed } = object;
  const signature = signatures?.[GHOST]?.[`ed25519:${publicKey}`] ?? "";
  const x = Buffer.from(publicKey, "base64").toString("base64url");
  const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
  return verify(null, Buffer.from(canonicalJson(signed)), key, Buffer.from(signature, "base64"));
};

test("canonical JSON sorts keys at every depth and leaves out what is undefined", () => {
  const value = { b: [1, { z: "ü", a: null }], a: { "2": true, "10": "\n" }, gone: undefined };
  expect(canonicalJson(value)).toBe('{"a":{"10":"\\n","2":true},"b":[1,{"a":null,"z":"ü"}]}');
});

test("the first call of a ghost makes an identity whose keys are signed by its master key", async () => {
  const { crossSigning } = setUp();
  const identity = await crossSigning.identityOf(GHOST);
  const [upload] = http.requests;
  expect(upload?.path).toBe(`/_matrix/client/v3/keys/device_signing/upload?user_id=${encodeURIComponent(GHOST)}`);
  const keys = upload?.body as Record<"master_key" | "self_signing_key" | "user_signing_key", KeyObject>;
  const master = publicKeyOf(keys.master_key);
  expect(isSignedBy(keys.self_signing_key, master)).toBe(true);
  expect(isSignedBy(keys.user_signing_key, master)).toBe(true);

  const device = { device_id: "GW1", keys: { "ed25519:GW1": "k" }, signatures: { [GHOST]: { "ed25519:GW1": "own" } } };
  const signed = identity.signDevice(device);
  expect(signed.signatures[GHOST]?.["ed25519:GW1"]).toBe("own");
  expect(isSignedBy(signed, publicKeyOf(keys.self_signing_key))).toBe(true);
});

test("the identity is the same after a restart, and two first calls at once make one", async () => {
  const first = setUp();
  await Promise.all([first.crossSigning.identityOf(GHOST), first.crossSigning.identityOf(GHOST)]);
  await first.crossSigning.identityOf(GHOST);
  expect(http.requests).toHaveLength(1);
  await setUp(first.rows, first.sealingKey).crossSigning.identityOf(GHOST);
  expect(http.requests[1]?.body).toEqual(http.requests[0]?.body);
});

test("what is stored does not show the keys and opens with the right key and owner only", async () => {
  const { crossSigning, rows, sealingKey } = setUp();
  await crossSigning.identityOf(GHOST);
  const sealed = rows.get(GHOST) ?? new Uint8Array();
  expect(Buffer.from(sealed).includes("master")).toBe(false);
  expect(Buffer.from(unseal(sealingKey, GHOST, sealed)).includes("selfSigning")).toBe(true);
  expect(() => unseal(newKey(), GHOST, sealed)).toThrow("unable to authenticate");
  expect(() => unseal(sealingKey, "@tel_1:lab", sealed)).toThrow("unable to authenticate");
  const changed = new Uint8Array(sealed);
  changed[40] = (changed[40] ?? 0) ^ 1;
  expect(() => unseal(sealingKey, GHOST, changed)).toThrow("unable to authenticate");
  expect(() => unseal(sealingKey, GHOST, sealed.subarray(0, 10))).toThrow("not a sealed box");
  expect(seal(sealingKey, GHOST, sealed)).not.toEqual(seal(sealingKey, GHOST, sealed));
});

test("an identity sealed with another key is not replaced in silence", async () => {
  const first = setUp();
  await first.crossSigning.identityOf(GHOST);
  const second = setUp(first.rows);
  await expect(second.crossSigning.identityOf(GHOST)).rejects.toMatchObject({ code: "ENCRYPTION_FAILED" });
  expect(http.requests).toHaveLength(1);
});

test("the key file is made once, readable by its owner only, and refused when it is no key", async () => {
  const folder = await mkdtemp(join(tmpdir(), "sealing-key-"));
  try {
    const path = join(folder, "new", "identity.key");
    const [one, two] = await Promise.all([loadSealingKey(path), loadSealingKey(path)]);
    expect(one).toEqual(two);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(Buffer.from(await readFile(path, "utf8"), "base64")).toHaveLength(32);
    await writeFile(path, "c2hvcnQ=\n");
    await expect(loadSealingKey(path)).rejects.toMatchObject({ code: "CONFIG_INVALID" });
  } finally {
    await rm(folder, { recursive: true });
  }
});
