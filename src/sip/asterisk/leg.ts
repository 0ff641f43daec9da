import { type Outcome, OUTCOME_FACTS } from "../../calls/outcome.ts";
import type { DialRequest, LegFact, LegMedia } from "../../calls/ports.ts";
import type { Log } from "../../log.ts";
import { type AriChannelEvent, channelOf } from "./ari-events.ts";
import type { AriBridge, AriChannel } from "./ari-rest.ts";
import { callerIdVariables } from "./caller-id.ts";
import { createLegEnding, EVENT_LIMIT_MS } from "./leg-ending.ts";
import { createLegMedia } from "./leg-media.ts";
import { createLegProgress } from "./leg-progress.ts";
import type { LegResources } from "./leg-resources.ts";

export interface LegDeps {
  readonly resources: LegResources;
  /** Name of the PJSIP endpoint. */
  readonly endpoint: string;
  readonly log: Log;
  readonly onFact: (fact: LegFact) => void;
  /** Everything in Asterisk is gone, or (`clean` false) some of it may be left. */
  readonly onReleased: (clean: boolean) => void;
}

/** State of Asterisk as asked after the events connection was lost. */
export interface AriSnapshot {
  readonly channels: readonly AriChannel[];
  readonly bridges: readonly AriBridge[];
}

export interface Leg {
  handle(event: AriChannelEvent): void;
  /** Resolves when nothing is left of the leg in Asterisk, or nothing more can be done. Never rejects. */
  hangup(outcome: Outcome): Promise<void>;
  /** Rejects with MEDIA_FAILED. */
  renewMedia(): Promise<LegMedia>;
  /** Rejects with MEDIA_FAILED. */
  press(keys: string): Promise<void>;
  /** Rejects with TRUNK_UNAVAILABLE. */
  transfer(dialString: string): Promise<void>;
  /** Where its phone is, for another phone to join it. */
  readonly bridge: string;
  /** Events do not come any more. */
  eventsLost(): void;
  dialled(): boolean;
  /** Catches up with what happened while events were lost. Only for a leg that was `dialled` before the snapshot was asked for. */
  catchUp(snapshot: AriSnapshot): void;
  /** Its engine is closed: nothing more is made for it. */
  close(): void;
}

export interface OutboundLeg extends Leg {
  dial(): Promise<void>;
}

/**
 * One dial, from the first request to the last resource given back.
 *
 *   create phone channel ─► StasisStart ─► dial (INVITE) ─► phone joins the bridge ─► Up = answered ─► ChannelDestroyed = ended
 *                                            └─ beside it: bridge; media channel ─► StasisStart = the worker is there ─► joins the bridge
 *
 * The phone joins the bridge while it rings, so that an answer costs no request.
 */
export const createLeg = (request: DialRequest, deps: LegDeps): OutboundLeg => {
  const { resources, endpoint, log, onFact, onReleased } = deps;
  const { legId } = request;
  const entered = Promise.withResolvers<void>();
  // Nobody may be waiting when it is rejected.
  entered.promise.catch(() => {});
  let inviteSent = false;
  let joined: Promise<void> = Promise.resolve();

  const ending = createLegEnding({
    legId,
    resources,
    log,
    onFact,
    onReleased,
    hangUpPhone: (outcome) => resources.hangupPhone(OUTCOME_FACTS[outcome].q850),
  });
  const { isEnding, tell, giveUp } = ending;
  const media = createLegMedia({ legId, resources, log, isEnding, tell });

  /** Before the answer is told: then the media that goes is made anew at once, and nobody has heard it yet. */
  const matchCodec = async (): Promise<void> => {
    try {
      if (await resources.matchCodec()) log.info({ legId }, "the PBX has chosen another codec, the media follows");
    } catch (error) {
      // Asterisk transcodes then.
      log.warn({ legId, error }, "the codec of the call could not be asked for");
    }
  };

  const progress = createLegProgress({
    maxDurationMs: request.maxDurationMs,
    joined: () => (request.withoutAudio === true ? joined : joined.then(matchCodec)),
    tell,
    onStasisStart: entered.resolve,
    onGone: (how) => void ending.end(how),
  });

  /** Resolves when the phone's channel is in our application and may be dialled. */
  const createPhone = async (): Promise<void> => {
    await resources.createPhone(`PJSIP/${request.dialString}@${endpoint}`, {
      ...callerIdVariables(request.callerId),
      // Kept by Asterisk itself, also when the gateway is dead (measured on channels in a Stasis application, bridged or not).
      "TIMEOUT(absolute)": String(Math.ceil((request.ringTimeoutMs + request.maxDurationMs) / 1000)),
    });
    const timer = setTimeout(() => entered.reject(new Error("no StasisStart for the phone's channel")), EVENT_LIMIT_MS);
    await entered.promise.finally(() => clearTimeout(timer));
  };

  const dial = async (): Promise<void> => {
    if (isEnding()) return;
    try {
      await createPhone();
    } catch (error) {
      // Asterisk gives no reason: "Allocation failed" is all it says of an endpoint that is unknown or does not answer OPTIONS.
      const text = error instanceof Error ? error.message : "ARI failed";
      if (!isEnding()) log.warn({ legId, endpoint, error: text }, "Asterisk did not start the call");
      return await ending.end({ outcome: "trunk-failed", cause: { text }, tryNextTrunk: true });
    }
    if (isEnding()) return;
    inviteSent = true;
    joined = resources.dial(request.ringTimeoutMs);
    joined.catch(async (error: unknown) => {
      // Mostly the call failed so fast that there is no channel to join any more; then the end comes with its own cause.
      await ending.untilGone();
      giveUp("trunk-failed", error);
    });
    if (request.withoutAudio === true) return;
    try {
      await media.offer();
    } catch (error) {
      giveUp("media-failed", error);
    }
  };

  const catchUp = (snapshot: AriSnapshot): void => {
    progress.found(snapshot.channels.find(({ id }) => id === resources.phone)?.state);
    media.catchUp(snapshot);
  };

  return {
    dial,
    bridge: resources.bridge,
    hangup: ending.hangup,
    catchUp,
    dialled: () => inviteSent && ending.ended() === undefined,
    eventsLost: () => entered.reject(new Error("the events connection to Asterisk was lost")),

    handle: (event) => {
      const { id } = channelOf(event);
      if (id === resources.phone) progress.handle(event);
      else media.handle(event);
    },

    renewMedia: media.renew,
    close: media.withdraw,
    press: resources.press,
    transfer: resources.transfer,
  };
};
