import { z } from "zod";
import { GatewayError } from "../../errors.ts";
import type { GhostUserId } from "../../ids.ts";
import { matrixPath, type Homeserver } from "../homeserver.ts";
import { ed25519KeyOf, newEd25519Secret, signJson, type Ed25519Key, type Signed } from "./ed25519.ts";
import { seal, unseal, type SealingKey } from "./sealed-box.ts";

/** Where the sealed private keys of a ghost's identity are kept (store/). */
export interface GhostIdentityStore {
  load(ghost: GhostUserId): Uint8Array | undefined;
  save(ghost: GhostUserId, sealed: Uint8Array): void;
}

/** The cross-signing identity of a ghost: the same in all its calls, so that others see one person with a signed device each time. */
export interface GhostIdentity {
  /** Adds the self-signing key's signature to the `device_keys` of a device about to be uploaded. */
  signDevice<T extends Signed>(deviceKeys: T): T;
}

export interface CrossSigning {
  /**
   * The identity of a ghost, made at its first call and known to the homeserver when this resolves.
   * Rejects with GatewayError ENCRYPTION_FAILED (the stored keys cannot be opened) or HOMESERVER_*.
   */
  identityOf(ghost: GhostUserId): Promise<GhostIdentity>;
}

export interface CrossSigningDeps {
  readonly homeserver: Homeserver;
  readonly store: GhostIdentityStore;
  readonly sealingKey: SealingKey;
}

const secretSchema = z.object({ d: z.string(), x: z.string() });
const secretsSchema = z.object({ master: secretSchema, selfSigning: secretSchema, userSigning: secretSchema });
type Secrets = z.infer<typeof secretsSchema>;

/** More ghosts than this are not remembered as uploaded; uploading the same keys once more is harmless. */
const MAX_REMEMBERED = 10_000;

const publicKeyObject = (ghost: GhostUserId, usage: string, key: Ed25519Key): Signed => ({
  user_id: ghost,
  usage: [usage],
  keys: { [`ed25519:${key.publicKey}`]: key.publicKey },
});

const loadSecrets = ({ store, sealingKey }: CrossSigningDeps, ghost: GhostUserId): Secrets => {
  const sealed = store.load(ghost);
  if (sealed === undefined) {
    const secrets = {
      master: newEd25519Secret(),
      selfSigning: newEd25519Secret(),
      userSigning: newEd25519Secret(),
    };
    store.save(ghost, seal(sealingKey, ghost, Buffer.from(JSON.stringify(secrets))));
    return secrets;
  }
  try {
    return secretsSchema.parse(JSON.parse(Buffer.from(unseal(sealingKey, ghost, sealed)).toString()));
  } catch {
    // No cause: an error of JSON.parse could quote what was unsealed.
    throw new GatewayError(
      "ENCRYPTION_FAILED",
      `The stored identity of a ghost cannot be opened: is the sealing key file the one it was made with?`,
    );
  }
};

const upload = async ({ homeserver }: CrossSigningDeps, ghost: GhostUserId, secrets: Secrets): Promise<void> => {
  const master = ed25519KeyOf(secrets.master);
  const signedByMaster = (usage: string, secret: Secrets["master"]): Signed =>
    signJson(publicKeyObject(ghost, usage, ed25519KeyOf(secret)), ghost, master);
  // No user-interactive authentication for application services (MSC4190).
  await homeserver.request({
    method: "POST",
    path: matrixPath("client/v3", "keys", "device_signing", "upload"),
    as: { userId: ghost },
    body: {
      master_key: publicKeyObject(ghost, "master", master),
      self_signing_key: signedByMaster("self_signing", secrets.selfSigning),
      user_signing_key: signedByMaster("user_signing", secrets.userSigning),
    },
  });
};

/**
 * Cross-signing without the SDK's bootstrap: that one needs two requests more at every call (query own keys, upload a signature),
 * while a signature added to the device's first `/keys/upload` costs none. Measured on Synapse 1.163.2: other clients see the device
 * as signed by its owner. Once per ghost and process the public keys are uploaded, which also heals a homeserver that lost them.
 */
export const createCrossSigning = (deps: CrossSigningDeps): CrossSigning => {
  const uploaded = new Set<GhostUserId>();
  const running = new Map<GhostUserId, Promise<GhostIdentity>>();

  const make = async (ghost: GhostUserId): Promise<GhostIdentity> => {
    const secrets = loadSecrets(deps, ghost);
    if (!uploaded.has(ghost)) {
      await upload(deps, ghost, secrets);
      if (uploaded.size >= MAX_REMEMBERED) uploaded.clear();
      uploaded.add(ghost);
    }
    const selfSigningKey = ed25519KeyOf(secrets.selfSigning);
    return { signDevice: (deviceKeys) => signJson(deviceKeys, ghost, selfSigningKey) };
  };

  return {
    identityOf: (ghost) => {
      // Two first calls of one ghost at once must not make two identities.
      const pending = running.get(ghost);
      if (pending !== undefined) return pending;
      const identity = make(ghost).finally(() => running.delete(ghost));
      running.set(ghost, identity);
      return identity;
    },
  };
};
