import { type Call, isOver, isPersonal } from "./call.ts";
import type { LegCause } from "./ports.ts";
import type { CallEvent } from "./states.ts";

/** Worker and leg outlive the SFU session that was up when they were lost: their loss counts whatever the session. */
const OUTLIVES_SESSION: ReadonlySet<CallEvent["type"]> = new Set(["media.workerLost", "media.legLost"]);

/** True for facts of an earlier leg or media session, and for what the call knows already. */
export const isStale = (call: Call, event: CallEvent): boolean => {
  const isOfOtherLeg = "legId" in event && event.legId !== undefined && event.legId !== call.record.legId;
  // Once the call is over, a late result of any media session has to be undone, and audio attached to any leg.
  if (isOver(call.record)) return isOfOtherLeg && event.type !== "media.attached";
  if (isOfOtherLeg) return true;
  if (
    !OUTLIVES_SESSION.has(event.type) &&
    "epoch" in event &&
    event.epoch !== undefined &&
    event.epoch !== call.epoch
  ) {
    return true;
  }
  return KNOWN[event.type]?.(call) ?? false;
};

const KNOWN: Readonly<Partial<Record<CallEvent["type"], (call: Call) => boolean>>> = {
  "leg.mediaReady": (call) => call.audio !== "none",
  "leg.held": (call) => call.held,
  "leg.resumed": (call) => !call.held,
  "rtc.alone": (call) => call.alone,
  "rtc.accompanied": (call) => !call.alone,
  "media.legLost": (call) => call.audio !== "attached",
};

const withCause = (call: Call, cause: LegCause): Call =>
  call.record.cause === undefined ? { ...call, record: { ...call.record, cause } } : call;

const withFailure = (call: Call, message: string): Call => withCause({ ...call, detail: message }, { text: message });

const absorbFailure = (call: Call, event: Extract<CallEvent, { type: "operation.failed" }>): Call => {
  switch (event.operation) {
    case "prepare":
    case "publish":
      return { ...call, member: "failed" };
    case "join":
    case "renewAccess":
      return { ...call, sfu: "failed" };
    case "attach":
    case "renewMedia":
      return { ...call, audio: "failed" };
    case "bridge":
      return { ...call, bridge: "failed" };
    case "exchangeKeys":
    case "answer":
    case "ring":
      return call;
  }
};

const mayHearEarly = (call: Call): boolean => isPersonal(call) && call.targets[0]?.earlyMedia === "answer";

/** Puts down what an event says; what follows from it is the table's. */
export const absorb = (call: Call, event: CallEvent, nowMs: number): Call => {
  switch (event.type) {
    case "leg.mediaReady":
      return { ...call, audio: "ready", attachingAnswers: event.attachingAnswers ?? false };
    case "leg.mediaRenewed":
      return { ...call, audio: "ready" };
    case "leg.ringing":
      return call.record.direction === "inbound" ? call : { ...call, leg: "ringing" };
    case "leg.progress":
      return call.record.direction === "inbound" ? call : { ...call, leg: "ringing", hearsEarly: mayHearEarly(call) };
    case "leg.answered":
      // A 200 that crosses our CANCEL is hung up at once: nobody was called.
      if (isOver(call.record)) return call;
      // What was open for announcements is opened for the call.
      return {
        ...call,
        leg: "answered",
        bridge: call.bridge === "open" ? "closed" : call.bridge,
        record: { ...call.record, answeredAtMs: nowMs },
      };
    case "leg.held":
      return { ...call, held: true };
    case "leg.resumed":
      return { ...call, held: false };
    case "leg.ended":
      return withCause({ ...call, leg: "ended" }, event.cause);
    case "rtc.alone":
      return { ...call, alone: true };
    case "rtc.accompanied":
      return { ...call, alone: false, accompanied: true };
    case "room.entered":
      return { ...call, accompanied: event.isLive, opensCall: event.isEmpty };
    case "transfer.asked":
    case "transfer.failed":
      return { ...call, transferring: event.type === "transfer.asked" };
    case "rtc.prepared":
      return { ...call, member: "prepared", encrypted: event.encrypted };
    case "rtc.published":
      return { ...call, member: "published" };
    case "rtc.keysExchanged":
      return { ...call, keysExchanged: true };
    case "rtc.lost":
      return withFailure(call, event.message);
    case "media.joined":
      return { ...call, sfu: "joined" };
    case "media.attached":
      return { ...call, audio: "attached" };
    case "media.bridged":
      return { ...call, bridge: "open", recovering: false };
    case "media.legLost":
      return { ...call, audio: "lost", bridge: "closed" };
    case "operation.failed":
      return absorbFailure(call, event);
    case "release.done":
      return { ...call, releasing: call.releasing.toSpliced(call.releasing.indexOf(event.what), 1) };
    case "moderation":
      // Before it talks, a phone is muted without words; it is on the way anyway.
      return event.action === "mute" && call.record.state !== "active" ? { ...call, muted: true } : call;
    case "call.start":
    case "rtc.removed":
    case "rtc.declined":
    case "rtc.rung":
    case "rtc.renewed":
    case "keypad":
    case "media.flowing":
    case "media.silent":
    case "media.workerLost":
    case "media.sfuLost":
    case "hangup.byAdder":
    case "hangup.byModerator":
    case "gateway.shutdown":
    case "timer.ring":
    case "timer.connect":
    case "timer.confirm":
    case "timer.maxDuration":
    case "timer.alone":
    case "timer.waiting":
    case "timer.farewell":
    case "timer.legGrace":
    case "timer.recovery":
    case "timer.recoveryRetry":
    case "timer.release":
      return call;
  }
};

/** Words of the failure that ends the call, for the people in the room. */
export const noteFailure = (call: Call, event: CallEvent): Call =>
  event.type === "operation.failed" || event.type === "media.sfuLost" ? withFailure(call, event.message) : call;
