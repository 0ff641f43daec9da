import { setTimeout as delay } from "node:timers/promises";

import type { LabHomeserver, LabUser } from "./homeserver.ts";

const POLL_MS = 50;
const ACCEPTED_WITHIN_MS = 10_000;

/** A chat of a person with a number, as Element X makes it; resolves with the room when the number has accepted. */
export async function startPhoneChat(
  homeserver: LabHomeserver,
  person: LabUser,
  ghost: string,
  { encrypted }: { encrypted: boolean },
): Promise<string> {
  const { room_id: roomId } = await homeserver.request<{ room_id: string }>("POST", "/_matrix/client/v3/createRoom", {
    user: person,
    body: {
      preset: "trusted_private_chat",
      is_direct: true,
      invite: [ghost],
      ...(encrypted && {
        initial_state: [{ type: "m.room.encryption", state_key: "", content: { algorithm: "m.megolm.v1.aes-sha2" } }],
      }),
    },
  });
  const member = `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/state/m.room.member/${encodeURIComponent(ghost)}`;
  for (const endMs = performance.now() + ACCEPTED_WITHIN_MS; performance.now() < endMs; await delay(POLL_MS)) {
    const { membership } = await homeserver.request<{ membership: string }>("GET", member, { user: person });
    if (membership === "join") return roomId;
  }
  throw new Error(`${ghost} did not accept the chat; see the gateway's log`);
}
