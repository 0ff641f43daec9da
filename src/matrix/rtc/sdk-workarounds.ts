/**
 * Everything that reaches into matrix-js-sdk 43.0.0 beyond its public API, each with its reason. When the SDK is updated, this is the file to
 * check; test/integration/matrix/rtc-*.test.ts fail when one of them no longer holds.
 */
import { Room, type MatrixClient, type MatrixEvent } from "matrix-js-sdk";
import { type MatrixRTCSession, MatrixRTCSessionEvent } from "matrix-js-sdk/lib/matrixrtc/index.js";

interface CryptoInternals {
  readonly olmMachine: {
    readonly userId: object;
    queryKeysForUsers(users: object[]): unknown;
    updateTrackedUsers(users: object[]): Promise<void>;
  };
  readonly outgoingRequestsManager: {
    doProcessOutgoingRequests(): Promise<void>;
    readonly outgoingRequestProcessor: { makeOutgoingRequest(request: unknown): Promise<void> };
  };
}

const cryptoInternals = (client: MatrixClient): CryptoInternals => {
  const crypto = client.getCrypto();
  if (crypto === undefined) throw new Error("the client has no crypto");
  return crypto as unknown as CryptoInternals;
};

/**
 * Uploads the device's keys now. The SDK does it after the first /sync only, which is later than the join; the membership must not be
 * visible before others can encrypt for this device.
 */
export const uploadDeviceKeysNow = (client: MatrixClient): Promise<void> =>
  cryptoInternals(client).outgoingRequestsManager.doProcessOutgoingRequests();

/**
 * `/keys/query` for these users, into the Olm machine. `getUserDeviceInfo(users, true)` asks the homeserver too, but for users that are not
 * tracked (yet) it keeps the answer from the Olm machine, which then skips their devices silently when a media key is sent.
 */
export const queryDeviceKeysNow = async (client: MatrixClient, users: readonly string[]): Promise<void> => {
  const { olmMachine, outgoingRequestsManager } = cryptoInternals(client);
  // The class of the very WebAssembly module the SDK loaded: an own import could be another copy.
  const UserId = olmMachine.userId.constructor as new (user: string) => object;
  const request = olmMachine.queryKeysForUsers(users.map((user) => new UserId(user)));
  await outgoingRequestsManager.outgoingRequestProcessor.makeOutgoingRequest(request);
};

/**
 * Follows the devices of these users only. The SDK follows those of everybody in an encrypted room: with N phones in a call, each one that joins
 * would cost N requests and the checking of N devices' signatures, which nobody needs (half of the gateway's CPU at 25 phones).
 */
export const followDevicesOf = (client: MatrixClient, isWanted: (user: string) => boolean): void => {
  const { olmMachine } = cryptoInternals(client);
  const follow = olmMachine.updateTrackedUsers.bind(olmMachine);
  // oxlint-disable-next-line typescript/no-base-to-string -- a UserId of the WebAssembly module, whose toString gives the id.
  olmMachine.updateTrackedUsers = (users) => follow(users.filter((user) => isWanted(String(user))));
};

/**
 * How long a new own key waits before it is used. The SDK takes it at join only, but it is right to be 0 while nobody who holds the old key
 * is there and its default once somebody has joined.
 */
export const setUseKeyDelay = (session: MatrixRTCSession, delayMs: number): void => {
  const { encryptionManager } = session as unknown as { encryptionManager?: { useKeyDelay: number } };
  if (encryptionManager !== undefined) encryptionManager.useKeyDelay = delayMs;
};

interface OutboundKey {
  readonly key: Uint8Array;
  readonly keyId: number;
}

interface KeyManagerInternals {
  readonly outboundSession: OutboundKey | null;
  readonly ownMembership: object;
  rolloutOutboundKey(): Promise<void>;
  getOwnRtcBackendIdentity(): Promise<string>;
  addKeyToParticipantWithBackendIdentity(key: Uint8Array, index: number, membership: object, identity: string): void;
}

/**
 * Tells (EncryptionKeyChanged) of every key that the SDK sends from now on. It says nothing of one that it makes while the room shows no
 * membership at all, not even the own one, as when all have ended while the homeserver was away: whoever comes back is sent that key, and
 * would hear nothing while the one before it stays in use. To be called after `joinRTCSession`.
 */
export const useEveryKey = (session: MatrixRTCSession): void => {
  const { encryptionManager: manager } = session as unknown as { encryptionManager: KeyManagerInternals };
  const rollOut = manager.rolloutOutboundKey.bind(manager);
  let usedIndex: number | undefined;
  session.on(MatrixRTCSessionEvent.EncryptionKeyChanged, (_key, index, membership) => {
    if (membership === manager.ownMembership) usedIndex = index;
  });
  manager.rolloutOutboundKey = async () => {
    await rollOut();
    const newest = manager.outboundSession;
    if (newest === null || newest.keyId === usedIndex) return;
    const identity = await manager.getOwnRtcBackendIdentity();
    manager.addKeyToParticipantWithBackendIdentity(newest.key, newest.keyId, manager.ownMembership, identity);
  };
};

let stickyEventsRepaired = false;

const decrypt = (client: MatrixClient, event: MatrixEvent): void => {
  const crypto = client.getCrypto() as Parameters<MatrixEvent["attemptDecryption"]>[0] | undefined;
  const isReadable = event.getClearContent() !== null && !event.isDecryptionFailure();
  if (!event.isEncrypted() || isReadable || crypto === undefined) return;
  event.attemptDecryption(crypto, { isRetry: true }).catch(() => {});
};

/**
 * Encrypted sticky events: those of the sync response's own section have no room id in the SDK, without which they cannot be decrypted, and of
 * those in the timeline it decrypts the last one only. Both are put right where a room takes them in; the SDK then files each under its
 * decrypted type and key. For all clients of this process.
 */
export const repairEncryptedStickyEvents = (): void => {
  if (stickyEventsRepaired) return;
  stickyEventsRepaired = true;
  // oxlint-disable-next-line typescript/unbound-method -- called with the room as `this`.
  const addStickyEvents = Room.prototype._unstable_addStickyEvents;
  Room.prototype._unstable_addStickyEvents = function addRepaired(this: Room, events: MatrixEvent[]): void {
    for (const event of events) {
      event.event.room_id ??= this.roomId;
      decrypt(this.client, event);
    }
    addStickyEvents.call(this, events);
  };
};
