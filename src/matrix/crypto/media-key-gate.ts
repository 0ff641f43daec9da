import { z } from "zod";

/** To-device type of MatrixRTC media keys (MSC4143, as Element Call and js-sdk send it). */
export const MEDIA_KEY_EVENT = "io.element.call.encryption_keys";

/** Why a media key was not taken. js-sdk itself takes all but the malformed ones (facts: matrixrtc.md section 4). */
export type DroppedMediaKey =
  /** It came in clear: the homeserver could have made it up. */
  | "unencrypted"
  /** It could not be decrypted; whether it was a media key is not known. */
  | "undecryptable"
  /** Not a key of 16 bytes with an index of 0 to 255. */
  | "malformed"
  | "wrong-room"
  /** The sender is not joined to the room. */
  | "not-a-member"
  /** Sent by another device than the one it claims to belong to. */
  | "foreign-device";

/** A to-device message as js-sdk hands it on (`ReceivedToDeviceMessage`); `encryptionInfo` is null when it came in clear. */
export interface ReceivedMessage {
  readonly message: { readonly type: string; readonly sender: string; readonly content: unknown };
  readonly encryptionInfo: {
    readonly sender: string;
    readonly senderDevice?: string | undefined;
    readonly senderCurve25519KeyBase64: string;
  } | null;
}

/** A media key message that passed: only the fields that were checked. */
export interface TrustedMediaKey {
  readonly sender: string;
  readonly content: {
    readonly room_id: string;
    readonly keys: { readonly index: number; readonly key: string };
    readonly member: { readonly claimed_device_id: string; readonly id?: string };
    readonly sent_ts?: number;
  };
}

export interface MediaKeyGateDeps {
  readonly roomId: string;
  isJoined(user: string): boolean;
  /** Curve25519 identity key of a device (unpadded base64), asked of the homeserver when it is not known yet. */
  identityKeyOf(user: string, device: string): Promise<string | undefined>;
  onKey(key: TrustedMediaKey): void;
  onDropped(reason: DroppedMediaKey, sender: string): void;
}

/** 16 bytes in base64, padded or not. */
const KEY_PATTERN = /^[A-Za-z0-9+/]{21}[AQgw](==)?$/;

const contentSchema = z.object({
  room_id: z.string(),
  keys: z.object({ index: z.int().min(0).max(255), key: z.string().regex(KEY_PATTERN) }),
  member: z.object({ claimed_device_id: z.string().min(1).max(255), id: z.string().max(255).optional() }),
  sent_ts: z.number().optional(),
});

const unpadded = (base64: string): string => base64.replace(/=+$/, "");

const trustedKeyOf = (sender: string, content: z.infer<typeof contentSchema>): TrustedMediaKey => ({
  sender,
  content: {
    room_id: content.room_id,
    keys: { index: content.keys.index, key: `${unpadded(content.keys.key)}==` },
    member: {
      claimed_device_id: content.member.claimed_device_id,
      ...(content.member.id === undefined ? {} : { id: content.member.id }),
    },
    ...(content.sent_ts === undefined ? {} : { sent_ts: content.sent_ts }),
  },
});

/**
 * Lets only those media keys through that an encrypted message of the claimed device brought. Keys stay in the order they arrived in:
 * of two keys for one index the later one counts.
 */
export const createMediaKeyGate = (deps: MediaKeyGateDeps): { receive(received: ReceivedMessage): void } => {
  let queue = Promise.resolve();

  const judge = async ({ message, encryptionInfo }: ReceivedMessage): Promise<TrustedMediaKey | DroppedMediaKey> => {
    if (encryptionInfo === null) return "unencrypted";
    const { sender } = encryptionInfo;
    const parsed = contentSchema.safeParse(message.content);
    if (!parsed.success) return "malformed";
    if (parsed.data.room_id !== deps.roomId) return "wrong-room";
    if (!deps.isJoined(sender)) return "not-a-member";
    const claimedDevice = parsed.data.member.claimed_device_id;
    const { senderDevice, senderCurve25519KeyBase64 } = encryptionInfo;
    if (senderDevice !== undefined && senderDevice !== claimedDevice) return "foreign-device";
    // The Olm session proves the curve25519 key; the device id beside it is only what the SDK makes of it.
    const identityKey = await deps.identityKeyOf(sender, claimedDevice);
    if (identityKey === undefined || unpadded(identityKey) !== unpadded(senderCurve25519KeyBase64)) {
      return "foreign-device";
    }
    return trustedKeyOf(sender, parsed.data);
  };

  const handle = async (received: ReceivedMessage): Promise<void> => {
    // A failing look-up at the homeserver leaves the device unproven.
    const verdict = await judge(received).catch(() => "foreign-device" as const);
    if (typeof verdict === "string") deps.onDropped(verdict, received.message.sender);
    else deps.onKey(verdict);
  };

  return {
    receive: (received) => {
      if (received.message.type === "m.room.encrypted") deps.onDropped("undecryptable", received.message.sender);
      if (received.message.type !== MEDIA_KEY_EVENT) return;
      queue = queue.then(() => handle(received));
    },
  };
};
