import { OUTCOME_FACTS } from "../../calls/outcome.ts";
import type { AcceptRequest, LegFact } from "../../calls/ports.ts";
import { GatewayError } from "../../errors.ts";
import type { LegId } from "../../ids.ts";
import type { Log } from "../../log.ts";
import { type AriChannelEvent, channelOf } from "./ari-events.ts";
import { type LegEnd, legEndOf } from "./causes.ts";
import type { Leg } from "./leg.ts";
import { createLegEnding } from "./leg-ending.ts";
import { createLegMedia } from "./leg-media.ts";
import type { LegResources } from "./leg-resources.ts";

/** An accepted call that we never answer ends in Asterisk by itself after this long; only a dead gateway comes to it. */
const LONGEST_RING_MS = 60_000;

export interface InboundLegDeps {
  readonly legId: LegId;
  readonly resources: LegResources;
  readonly log: Log;
  readonly onReleased: (clean: boolean) => void;
  readonly unusedMediaLimitMs?: number | undefined;
}

export interface InboundLeg extends Leg {
  accept(request: AcceptRequest, onFact: (fact: LegFact) => void): void;
  /** The phone then is in its own bridge, or in this one. Rejects with MEDIA_FAILED. */
  answer(bridge?: string): Promise<void>;
}

interface State {
  onFact?: (fact: LegFact) => void;
  maxDurationMs: number;
  withoutAudio: boolean;
  answeredAtMs?: number;
  /** Who asked for the hang-up, and with which cause. */
  hangup?: { readonly isOurs: boolean; readonly cause: number | undefined };
}

const NORMAL_CLEARING = OUTCOME_FACTS.completed.q850;

/** The channel has left the application: the far end hung up, or we did. */
const howItEnded = (state: State, destroyedCause: number | undefined): LegEnd => {
  const { answeredAtMs, hangup: asked } = state;
  const cause = asked?.cause ?? destroyedCause ?? NORMAL_CLEARING;
  if (answeredAtMs === undefined) return { outcome: "cancelled", cause: { q850: cause }, tryNextTrunk: false };
  const outOfTime = asked === undefined && performance.now() - answeredAtMs >= state.maxDurationMs;
  return legEndOf({ cause, rang: true, answered: true, hungUpInside: asked?.isOurs ?? false, outOfTime });
};

/**
 * One call that the PBX sent us, from StasisStart on.
 *
 *   StasisStart ─► accept: 180, bridge, media channel ─► answer: 200, the phone joins the bridge ─► StasisEnd = ended
 *              └─► hangup before the answer: back to the dialplan, which sends the status (context gateway-refuse)
 */
export const createInboundLeg = ({
  legId,
  resources,
  log,
  onReleased,
  unusedMediaLimitMs,
}: InboundLegDeps): InboundLeg => {
  const state: State = { maxDurationMs: 0, withoutAudio: false };
  const ending = createLegEnding({
    legId,
    resources,
    log,
    onFact: (fact) => state.onFact?.(fact),
    onReleased,
    hangUpPhone: (outcome) => {
      const { sipStatus, q850 } = OUTCOME_FACTS[outcome];
      return state.answeredAtMs === undefined ? resources.refusePhone(sipStatus) : resources.hangupPhone(q850);
    },
  });
  const { isEnding, tell, giveUp } = ending;
  const media = createLegMedia({ legId, resources, log, isEnding, tell, unusedLimitMs: unusedMediaLimitMs });

  const left = (destroyedCause: number | undefined): void => void ending.end(howItEnded(state, destroyedCause));

  const prepare = async (): Promise<void> => {
    if (state.withoutAudio) media.withdraw();
    const longest = String(Math.ceil((LONGEST_RING_MS + state.maxDurationMs) / 1000));
    await Promise.all([
      resources.ring({ "TIMEOUT(absolute)": longest }),
      ...(state.withoutAudio ? [] : [media.offer()]),
    ]);
  };

  return {
    accept: ({ maxDurationMs, withoutAudio = false }, onFact) => {
      state.onFact = onFact;
      state.maxDurationMs = maxDurationMs;
      state.withoutAudio = withoutAudio;
      // Facts never arrive before accept() has returned.
      queueMicrotask(() => {
        const ended = ending.ended();
        if (ended !== undefined) return onFact({ type: "leg.ended", ...ended });
        prepare().catch(async (error: unknown) => {
          // A caller who gives up at once has no channel any more; then the end comes with its own cause.
          await ending.untilGone();
          giveUp("media-failed", error);
        });
      });
    },

    answer: async (bridge) => {
      const message = "The caller has hung up";
      if (isEnding()) throw new GatewayError("MEDIA_FAILED", message);
      try {
        await resources.answerPhone(bridge);
      } catch (cause) {
        throw new GatewayError("MEDIA_FAILED", isEnding() ? message : "Asterisk did not answer the call", { cause });
      }
      state.answeredAtMs = performance.now();
      tell({ type: "leg.answered" });
    },

    bridge: resources.bridge,
    hangup: ending.hangup,
    dialled: () => ending.ended() === undefined,
    eventsLost: () => {},

    handle: (event: AriChannelEvent) => {
      const { id } = channelOf(event);
      if (id !== resources.phone) {
        media.handle(event);
        return;
      }
      switch (event.type) {
        case "ChannelHold":
          return tell({ type: "leg.held" });
        case "ChannelUnhold":
          return tell({ type: "leg.resumed" });
        case "ChannelDtmfReceived":
          return tell({ type: "leg.dtmf", digit: event.digit });
        case "ChannelHangupRequest":
          state.hangup = { isOurs: event.soft === true, cause: event.cause };
          return undefined;
        case "StasisEnd":
          return left(undefined);
        case "ChannelDestroyed":
          return left(event.cause);
        case "StasisStart":
        case "ChannelStateChange":
        case "Dial":
          return undefined;
      }
    },

    catchUp: (snapshot) => {
      if (!snapshot.channels.some(({ id }) => id === resources.phone)) {
        const outcome = state.answeredAtMs === undefined ? "cancelled" : "completed";
        const text = "ended while the connection to Asterisk was lost";
        void ending.end({ outcome, cause: { text }, tryNextTrunk: false });
        return;
      }
      media.catchUp(snapshot);
    },

    renewMedia: media.renew,
    close: media.withdraw,
    press: resources.press,
    transfer: resources.transfer,
  };
};
