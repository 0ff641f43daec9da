import { createHash } from "node:crypto";

// Names that the token service, Element Call and the gateway must compute alike: unpadded base64 of the SHA-256 of a
// compact JSON array (MSC4195, lk-jwt-service >= 0.4.3).

/** The only slot of a room that Element Call uses. */
export const ROOM_SLOT = "m.call#ROOM";

function hash(parts: string[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("base64").replace(/=+$/, "");
}

/** LiveKit's room for a slot of a Matrix room: the same for both endpoints. */
export const livekitRoomName = (roomId: string, slotId: string): string => hash([roomId, slotId]);

/** LiveKit identity of `/sfu/get`: readable, and what members in the compatibility format are matched by. */
export const plainIdentity = (userId: string, deviceId: string): string => `${userId}:${deviceId}`;

/** LiveKit identity of `/get_token`: members with sticky memberships. */
export const hashedIdentity = (userId: string, deviceId: string, memberId: string): string =>
  hash([userId, deviceId, memberId]);
