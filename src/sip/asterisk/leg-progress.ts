import type { LegFact } from "../../calls/ports.ts";
import type { AriChannelEvent } from "./ari-events.ts";
import { type LegEnd, legEndOf } from "./causes.ts";

export interface LegProgressOptions {
  readonly maxDurationMs: number;
  /** When the phone is in the bridge; asked for when it answers. */
  readonly joined: () => Promise<void>;
  readonly tell: (fact: LegFact) => void;
  readonly onStasisStart: () => void;
  /** The phone's channel is gone. */
  readonly onGone: (how: LegEnd) => void;
}

/** Turns the events of the phone's channel into facts of the leg, and remembers of them what explains its end. */
export const createLegProgress = ({ maxDurationMs, joined, tell, onStasisStart, onGone }: LegProgressOptions) => {
  /** Any 18x. */
  let rang = false;
  let answeredAtMs: number | undefined;
  /** Who asked for the hang-up, as the last ChannelHangupRequest says. TIMEOUT(absolute) asks nobody. */
  let hangupSeen: "inside" | "outside" | undefined;

  const heard = (sign: "leg.ringing" | "leg.progress"): void => {
    rang = true;
    if (answeredAtMs === undefined) tell({ type: sign });
  };

  const answered = (): void => {
    if (answeredAtMs !== undefined) return;
    answeredAtMs = performance.now();
    // Long done, unless the phone answered within a few ms of the INVITE. Its failure ends the leg.
    joined().then(
      () => tell({ type: "leg.answered" }),
      () => {},
    );
  };

  const channelState = (state: string): void => {
    if (state === "Ringing") heard("leg.ringing");
    if (state === "Up") answered();
  };

  const destroyed = (cause: number, techCause: number | undefined): void => {
    const talkedMs = answeredAtMs === undefined ? 0 : performance.now() - answeredAtMs;
    const how = legEndOf({
      cause,
      ...(techCause === undefined ? {} : { techCause }),
      rang,
      answered: answeredAtMs !== undefined,
      hungUpInside: hangupSeen === "inside",
      outOfTime: hangupSeen === undefined && answeredAtMs !== undefined && talkedMs >= maxDurationMs,
    });
    onGone(how);
  };

  return {
    /** What a look at Asterisk showed, after events were lost. */
    found: (state: string | undefined): void => {
      if (state !== undefined) return channelState(state);
      const outcome = answeredAtMs === undefined ? "trunk-failed" : "completed";
      const text = "ended while the connection to Asterisk was lost";
      onGone({ outcome, cause: { text }, tryNextTrunk: false });
    },

    handle: (event: AriChannelEvent): void => {
      switch (event.type) {
        case "StasisStart":
          return onStasisStart();
        case "Dial":
          // RINGING and ANSWER come as ChannelStateChange as well.
          return event.dialstatus === "PROGRESS" ? heard("leg.progress") : undefined;
        case "ChannelStateChange":
          return channelState(event.channel.state);
        case "ChannelHold":
          return tell({ type: "leg.held" });
        case "ChannelUnhold":
          return tell({ type: "leg.resumed" });
        case "ChannelDtmfReceived":
          return tell({ type: "leg.dtmf", digit: event.digit });
        case "ChannelHangupRequest":
          hangupSeen = event.soft === true ? "inside" : "outside";
          return undefined;
        case "StasisEnd":
          // ChannelDestroyed follows, with the cause.
          return undefined;
        case "ChannelDestroyed":
          return destroyed(event.cause, event.tech_cause);
      }
    },
  };
};
