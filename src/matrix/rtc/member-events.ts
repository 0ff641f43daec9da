/** Types of MatrixRTC member events: the state event of compatibility mode, and the sticky event of MSC4143 + MSC4354. */
export const MEMBER_STATE_EVENT = "org.matrix.msc3401.call.member";
export const MEMBER_STICKY_EVENT = "org.matrix.msc4143.rtc.member";

/** LiveKit identity of a member in compatibility mode (`/sfu/get`); sticky members have a hash instead (matrixrtc.md section 2). */
export const plainIdentity = (user: string, device: string): string => `${user}:${device}`;

/**
 * State key of a member event. The underscore lifts the rule that a key starting with `@` belongs to its sender alone; only room
 * versions of MSC3757/MSC3779 allow `@user_suffix` (homeserver.md section 8.1).
 */
export const memberStateKey = (user: string, device: string, roomVersion: string): string => {
  const owned = /^org\.matrix\.msc(3757|3779)\b/.test(roomVersion);
  return `${owned ? "" : "_"}${user}_${device}_m.call`;
};

export type MemberEventVerdict =
  | "member"
  /** `{}`, or a format that is no longer read. */
  | "left"
  /** Somebody wrote the membership of another user: the underscore key is not protected. */
  | "foreign-sender"
  | "broken";

interface MemberStateEvent {
  readonly sender: string | undefined;
  readonly stateKey: string | undefined;
  readonly content: Readonly<Record<string, unknown>>;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isTime = (value: unknown): boolean => typeof value === "number" && value >= 0;

/**
 * Whether a member state event may be believed: its sender is the user in its key, the device in the key is the one in the content, and
 * the fields that readers depend on have their types. Joined and unexpired is for the session to judge, as it changes with time.
 */
export const judgeMemberEvent = ({ sender, stateKey, content }: MemberStateEvent): MemberEventVerdict => {
  if (!isRecord(content)) return "broken";
  if (Object.keys(content).length === 0 || "memberships" in content) return "left";
  const { application, call_id: callId, device_id: deviceId, focus_active: focusActive } = content;
  if (typeof application !== "string" || typeof callId !== "string" || typeof deviceId !== "string") return "broken";
  if (!isRecord(focusActive) || typeof focusActive["type"] !== "string") return "broken";
  // The SDK computes with what is there: with a word in `expires` the membership would never end.
  if ([content["expires"], content["created_ts"]].some((time) => time !== undefined && !isTime(time))) return "broken";
  if (sender === undefined || stateKey === undefined) return "broken";
  const key = stateKey.startsWith("_") ? stateKey.slice(1) : stateKey;
  // The suffix `_m.call` is missing in keys of older clients.
  const owner = `${sender}_${deviceId}`;
  return key === owner || key === `${owner}_m.call` ? "member" : "foreign-sender";
};
