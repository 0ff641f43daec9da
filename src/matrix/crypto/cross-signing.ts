import { z } from "zod";
import { GatewayError } from "../../errors.ts";
import type { UserId } from "../../ids.ts";
import { matrixPath, type Homeserver } from "../homeserver.ts";
import { ed25519KeyOf, newEd25519Secret, signJson, type Ed25519Key, type Signed } from "./ed25519.ts";
import { seal, unseal, type SealingKey } from "./sealed-box.ts";

/** Where the sealed private keys of our users' identities are kept (store/). */
export interface IdentityStore {
  load(user: UserId): Uint8Array | undefined;
  save(user: UserId, sealed: Uint8Array): void;
}

/** The cross-signing identity of a ghost (or the bot): the same in all its calls, so that others see one person with a signed device each time. */
export interface UserIdentity {
  /** Adds the self-signing key's signature to the `device_keys` of a device about to be uploaded. */
  signDevice<T extends Signed>(deviceKeys: T): T;
}

export interface CrossSigning {
  /**
   * The identity of a user, made at its first call and known to the homeserver when this resolves.
   * Rejects with GatewayError ENCRYPTION_FAILED (the stored keys cannot be opened) or HOMESERVER_*.
   */
  identityOf(user: UserId): Promise<UserIdentity>;
}

export interface CrossSigningDeps {
  readonly homeserver: Homeserver;
  readonly store: IdentityStore;
  readonly sealingKey: SealingKey;
}

const secretSchema = z.object({ d: z.string(), x: z.string() });
const secretsSchema = z.object({ master: secretSchema, selfSigning: secretSchema, userSigning: secretSchema });
type Secrets = z.infer<typeof secretsSchema>;

/** More users than this are not remembered as uploaded; uploading the same keys once more is harmless. */
const MAX_REMEMBERED = 10_000;

const publicKeyObject = (user: UserId, usage: string, key: Ed25519Key): Signed => ({
  user_id: user,
  usage: [usage],
  keys: { [`ed25519:${key.publicKey}`]: key.publicKey },
});

const loadSecrets = ({ store, sealingKey }: CrossSigningDeps, user: UserId): Secrets => {
  const sealed = store.load(user);
  if (sealed === undefined) {
    const secrets = {
      master: newEd25519Secret(),
      selfSigning: newEd25519Secret(),
      userSigning: newEd25519Secret(),
    };
    store.save(user, seal(sealingKey, user, Buffer.from(JSON.stringify(secrets))));
    return secrets;
  }
  try {
    return secretsSchema.parse(JSON.parse(Buffer.from(unseal(sealingKey, user, sealed)).toString()));
  } catch {
    // No cause: an error of JSON.parse could quote what was unsealed.
    throw new GatewayError(
      "ENCRYPTION_FAILED",
      `The stored identity of a phone or the bot cannot be opened: is the sealing key file the one it was made with?`,
    );
  }
};

const upload = async ({ homeserver }: CrossSigningDeps, user: UserId, secrets: Secrets): Promise<void> => {
  const master = ed25519KeyOf(secrets.master);
  const signedByMaster = (usage: string, secret: Secrets["master"]): Signed =>
    signJson(publicKeyObject(user, usage, ed25519KeyOf(secret)), user, master);
  // No user-interactive authentication for application services (MSC4190).
  await homeserver.request({
    method: "POST",
    path: matrixPath("client/v3", "keys", "device_signing", "upload"),
    as: { userId: user },
    body: {
      master_key: publicKeyObject(user, "master", master),
      self_signing_key: signedByMaster("self_signing", secrets.selfSigning),
      user_signing_key: signedByMaster("user_signing", secrets.userSigning),
    },
  });
};

/**
 * Cross-signing without the SDK's bootstrap: that one needs two requests more at every call (query own keys, upload a signature),
 * while a signature added to the device's first `/keys/upload` costs none. Measured on Synapse 1.163.2: other clients see the device
 * as signed by its owner. Once per user and process the public keys are uploaded, which also heals a homeserver that lost them.
 */
export const createCrossSigning = (deps: CrossSigningDeps): CrossSigning => {
  const uploaded = new Set<UserId>();
  const running = new Map<UserId, Promise<UserIdentity>>();

  const make = async (user: UserId): Promise<UserIdentity> => {
    const secrets = loadSecrets(deps, user);
    if (!uploaded.has(user)) {
      await upload(deps, user, secrets);
      if (uploaded.size >= MAX_REMEMBERED) uploaded.clear();
      uploaded.add(user);
    }
    const selfSigningKey = ed25519KeyOf(secrets.selfSigning);
    return { signDevice: (deviceKeys) => signJson(deviceKeys, user, selfSigningKey) };
  };

  return {
    identityOf: (user) => {
      // Two first calls of one ghost at once must not make two identities.
      const pending = running.get(user);
      if (pending !== undefined) return pending;
      const identity = make(user).finally(() => running.delete(user));
      running.set(user, identity);
      return identity;
    },
  };
};
