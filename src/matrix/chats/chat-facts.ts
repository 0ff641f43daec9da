import type { ChatFact } from "../../personal/outgoing.ts";
import type { AppserviceEvent } from "../appservice/events.ts";
import { judgeMemberEvent, MEMBER_STATE_EVENT } from "../rtc/member-events.ts";
import { RING_EVENT } from "../rtc/ring.ts";
import type { PhoneChat } from "../../personal/chat.ts";

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;

/** The event that this one refers to; in clear also where the event is encrypted. */
const referenceOf = ({ content }: AppserviceEvent): string | undefined => {
  const relation = content["m.relates_to"];
  if (!isRecord(relation) || relation["rel_type"] !== "m.reference") return undefined;
  return typeof relation["event_id"] === "string" ? relation["event_id"] : undefined;
};

const isRing = ({ type, content }: AppserviceEvent): boolean =>
  // What an encrypted event is cannot be seen; of what refers to a membership only a ring matters here, and what is no ring is never declined.
  type === "m.room.encrypted" || (type === RING_EVENT && content["notification_type"] === "ring");

/** What an event of a chat says about calling; undefined for everything else, and for what somebody else than the person wrote. */
export const chatFactOf = (event: AppserviceEvent, { person }: Pick<PhoneChat, "person">): ChatFact | undefined => {
  const { type, sender, stateKey, content, eventId } = event;
  if (sender !== person) return undefined;
  if (type === MEMBER_STATE_EVENT && stateKey !== undefined) {
    const verdict = judgeMemberEvent({ sender, stateKey, content });
    if (verdict === "left") return { type: "left", stateKey };
    if (verdict !== "member") return undefined;
    // js-sdk and Element Call add it when they write a membership again (matrixrtc.md 1.1).
    const isNew = content["created_ts"] === undefined;
    return { type: "joined", eventId, stateKey, isNew, ageMs: event.ageMs };
  }
  const membershipEventId = isRing(event) ? referenceOf(event) : undefined;
  return membershipEventId === undefined ? undefined : { type: "rang", eventId, membershipEventId };
};
