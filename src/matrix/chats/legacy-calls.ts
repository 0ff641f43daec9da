import { ClientEvent, type MatrixClient, type MatrixEvent, MatrixEventEvent } from "matrix-js-sdk";
import { z } from "zod";

/** What is written to whoever places one. */
export const LEGACY_CALL_TEXT =
  "This kind of call does not reach phones. Use Element Call: the call button of this chat, or Element X.";

const inviteSchema = z.object({ call_id: z.string().max(255), version: z.union([z.string(), z.number()]) });

/** The answer to a legacy `m.call.invite` (specification, voice over IP): version 0 knows no reject. */
export const refusalOf = (
  content: unknown,
  partyId: string,
): { type: string; content: Record<string, unknown> } | undefined => {
  const invite = inviteSchema.safeParse(content).data;
  if (invite === undefined) return undefined;
  const { call_id, version } = invite;
  return String(version) === "0"
    ? { type: "m.call.hangup", content: { call_id, version } }
    : { type: "m.call.reject", content: { call_id, version, party_id: partyId } };
};

const MAX_AGE_MS = 60_000;

/** Calls back for each legacy call that somebody else places in the room; Element Web's dial pad does. */
export const watchLegacyCalls = (
  client: MatrixClient,
  {
    isOurs,
    onInvite,
    nowMs,
  }: {
    readonly isOurs: (user: string) => boolean;
    readonly onInvite: (content: unknown) => void;
    readonly nowMs: () => number;
  },
): void => {
  const seen = new WeakSet<MatrixEvent>();
  const look = (event: MatrixEvent): void => {
    if (event.getType() !== "m.call.invite" || seen.has(event) || isOurs(event.getSender() ?? "")) return;
    if (event.isState() || nowMs() - event.localTimestamp > MAX_AGE_MS) return;
    seen.add(event);
    onInvite(event.getContent());
  };
  // Encrypted ones are decrypted for the commands (bot-events.ts).
  client.on(ClientEvent.Event, look);
  client.on(MatrixEventEvent.Decrypted, look);
};
