import { z } from "zod";

const channel = z.object({ id: z.string().min(1), name: z.string(), state: z.string() });

/** The events of ARI that a call needs (Asterisk 20 to 23, rest-api/api-docs/events.json); all others are ignored. */
const schemas = {
  StasisStart: z.object({
    type: z.literal("StasisStart"),
    channel: channel.extend({ caller: z.object({ name: z.string(), number: z.string() }).optional() }),
    /** What stands behind the application's name in the dialplan. */
    args: z.array(z.string()).default([]),
  }),
  StasisEnd: z.object({ type: z.literal("StasisEnd"), channel }),
  ChannelStateChange: z.object({ type: z.literal("ChannelStateChange"), channel }),
  /** `peer` is the channel that is dialled. */
  Dial: z.object({ type: z.literal("Dial"), peer: channel, dialstatus: z.string() }),
  ChannelHold: z.object({ type: z.literal("ChannelHold"), channel }),
  ChannelUnhold: z.object({ type: z.literal("ChannelUnhold"), channel }),
  ChannelDtmfReceived: z.object({
    type: z.literal("ChannelDtmfReceived"),
    channel,
    digit: z.string().regex(/^[0-9A-D*#]$/),
  }),
  ChannelHangupRequest: z.object({
    type: z.literal("ChannelHangupRequest"),
    channel,
    /** True for a hang-up from inside Asterisk (ARI, dial time-out, CLI), absent when SIP brought it. */
    soft: z.boolean().optional(),
    /** Q.850. */
    cause: z.int().optional(),
  }),
  ChannelDestroyed: z.object({
    type: z.literal("ChannelDestroyed"),
    channel,
    /** Q.850. */
    cause: z.int(),
    /** SIP status, since 20.13/22.3 and only for calls that failed. */
    tech_cause: z.int().optional(),
  }),
  ApplicationReplaced: z.object({ type: z.literal("ApplicationReplaced") }),
} as const;

export type AriEvent = z.infer<(typeof schemas)[keyof typeof schemas]>;
/** An event of one channel. */
export type AriChannelEvent = Exclude<AriEvent, { type: "ApplicationReplaced" }>;

export type ParsedAriEvent =
  | { readonly kind: "event"; readonly event: AriEvent }
  | { readonly kind: "ignored" }
  /** `problem` names keys, never values. */
  | { readonly kind: "malformed"; readonly problem: string };

const envelope = z.object({ type: z.string() });

const isKnown = (type: string): type is keyof typeof schemas => Object.hasOwn(schemas, type);

/** Reads one message of the events WebSocket; never throws. */
export const parseAriEvent = (text: string): ParsedAriEvent => {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return { kind: "malformed", problem: "not JSON" };
  }
  const head = envelope.safeParse(json);
  if (!head.success) return { kind: "malformed", problem: "no type" };
  const { type } = head.data;
  if (!isKnown(type)) return { kind: "ignored" };
  const parsed = schemas[type].safeParse(json);
  if (parsed.success) return { kind: "event", event: parsed.data };
  const keys = parsed.error.issues.map((issue) => issue.path.join(".")).join(", ");
  return { kind: "malformed", problem: `${type}: ${keys}` };
};

/** Id of the channel that an event is about. */
export const channelOf = (event: AriChannelEvent): z.infer<typeof channel> =>
  event.type === "Dial" ? event.peer : event.channel;
