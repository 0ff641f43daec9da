/** Branded identifiers: two ids of different kinds cannot be mixed up, and a bare string is none of them. */

declare const brand: unique symbol;
// A record, not the name itself: a GhostUserId is a UserId too, and two literals would intersect to `never`.
type Branded<Name extends string> = string & { readonly [brand]: { readonly [N in Name]: true } };

/** One leg and one member, from first to last event (design: "call"). */
export type CallId = Branded<"CallId">;
/** One SIP dialog with a phone, held by a SIP engine. Chosen by us, so that a leg can be found again after a crash. */
export type LegId = Branded<"LegId">;
/** Matrix room id, `!opaque:server`, or `!opaque` from room version 12 on. */
export type RoomId = Branded<"RoomId">;
/** Any Matrix user id, `@localpart:server`. */
export type UserId = Branded<"UserId">;
/** The Matrix user of a phone number, `@tel_+33140506070:server` (MSC4009 grammar) or `@tel_1001:server`. */
export type GhostUserId = UserId & Branded<"GhostUserId">;
export type DeviceId = Branded<"DeviceId">;
/** Name of a trunk in the configuration. */
export type TrunkId = Branded<"TrunkId">;
/** `+` and 7 to 15 digits. */
export type E164 = Branded<"E164">;
/** Digits that match a trunk's extension pattern, for example `1001`. */
export type Extension = Branded<"Extension">;
/** What a caller types to name a conference: digits, the same for as long as the room can be dialled. No secret. */
export type ConferenceId = Branded<"ConferenceId">;

export const callId = (value: string): CallId => value as CallId;
export const legId = (value: string): LegId => value as LegId;
export const roomId = (value: string): RoomId => value as RoomId;
export const userId = (value: string): UserId => value as UserId;
export const ghostUserId = (value: string): GhostUserId => value as GhostUserId;
export const deviceId = (value: string): DeviceId => value as DeviceId;
export const trunkId = (value: string): TrunkId => value as TrunkId;
export const conferenceId = (value: string): ConferenceId => value as ConferenceId;

/** The server part of a user id (everything behind the first colon). */
export const serverOf = (user: UserId): string => user.slice(user.indexOf(":") + 1);
