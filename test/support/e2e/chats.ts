/** One-to-one chats of a person and a number, and what is rung in them. */
import type { LabUser } from "../../../deploy/lab/homeserver.ts";
import { callMemberships } from "./leftovers.ts";
import { roomHand } from "./rooms.ts";
import type { Scene } from "./scene.ts";
import { until } from "./until.ts";

const RING = "org.matrix.msc4075.rtc.notification";
const DECLINE = "org.matrix.msc4310.rtc.decline";

/** Resolves when nobody is in the call of the room. */
export const untilNobodyCalls = async ({ lab }: Scene, roomId: string, witness: LabUser): Promise<void> => {
  let seen: string[] = [];
  await until(
    "nobody to be in the call",
    async () => {
      seen = await callMemberships(lab, roomId, witness);
      return seen.length === 0 ? true : undefined;
    },
    { withinMs: 15_000, seen: () => seen },
  );
};

/** The ring that a number sent in the chat, encrypted or not: what refers to its membership. */
export const waitForRing = async ({ lab }: Scene, roomId: string, ghost: string, witness: LabUser): Promise<string> => {
  const hand = roomHand(lab, roomId, witness);
  const ring = await until("a ring", async () =>
    (await hand.timeline()).findLast(
      ({ type, sender, content }) =>
        sender === ghost &&
        (type === RING || type === "m.room.encrypted") &&
        (content["m.relates_to"] as { rel_type?: string } | undefined)?.rel_type === "m.reference",
    ),
  );
  return (ring as unknown as { event_id: string }).event_id;
};

export const declineRing = async ({ lab }: Scene, roomId: string, ring: string, person: LabUser): Promise<void> => {
  const path = `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/send/${DECLINE}/decline-${ring}`;
  await lab.homeserver.request("PUT", path, {
    user: person,
    body: { "m.relates_to": { rel_type: "m.reference", event_id: ring } },
  });
};
