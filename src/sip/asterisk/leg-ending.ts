import { setTimeout as delay } from "node:timers/promises";

import type { Outcome } from "../../calls/outcome.ts";
import type { LegFact } from "../../calls/ports.ts";
import type { LegId } from "../../ids.ts";
import type { Log } from "../../log.ts";
import type { LegEnd } from "./causes.ts";
import type { LegResources } from "./leg-resources.ts";

/** Asterisk puts a created channel into the application, and drops one that is hung up, a few ms after the request. */
export const EVENT_LIMIT_MS = 1000;

interface LegEndingDeps {
  readonly legId: LegId;
  readonly resources: LegResources;
  readonly log: Log;
  readonly onFact: (fact: LegFact) => void;
  /** Everything in Asterisk is gone, or (`clean` false) some of it may be left. */
  readonly onReleased: (clean: boolean) => void;
  /** Tells Asterisk to end the phone's channel; false when there is none. Rejects when ARI does not take it. */
  readonly hangUpPhone: (outcome: Outcome) => Promise<boolean>;
}

export interface LegEnding {
  /** It has ended, or we have asked for it. */
  readonly isEnding: () => boolean;
  /** Set with the last fact. */
  readonly ended: () => LegEnd | undefined;
  /** Waits, not for ever, for the channel's end to come as an event. */
  readonly untilGone: () => Promise<void>;
  readonly tell: (fact: LegFact) => void;
  /** Tells `leg.ended`, once, and resolves when everything in Asterisk is given back. */
  readonly end: (how: LegEnd) => Promise<void>;
  readonly hangup: (outcome: Outcome) => Promise<void>;
  /** A fault on our side while the phone may be ringing or talking. */
  readonly giveUp: (outcome: Outcome, error: unknown) => void;
}

/** A leg of either direction ends once: with the cause of the far end, or with the outcome that we asked for first. */
export const createLegEnding = (deps: LegEndingDeps): LegEnding => {
  const { legId, resources, log, onFact, onReleased, hangUpPhone } = deps;
  const gone = Promise.withResolvers<void>();
  let endedByUs: Outcome | undefined;
  let ended: LegEnd | undefined;
  let released: Promise<void> = Promise.resolve();

  const isEnding = (): boolean => ended !== undefined || endedByUs !== undefined;

  const untilGone = (): Promise<void> => Promise.race([gone.promise, delay(EVENT_LIMIT_MS, undefined, { ref: false })]);

  const end = (how: LegEnd): Promise<void> => {
    if (ended === undefined) {
      ended = endedByUs === undefined ? how : { ...how, outcome: endedByUs, tryNextTrunk: false };
      released = resources.release().then(onReleased);
      gone.resolve();
      onFact({ type: "leg.ended", ...ended });
    }
    return released;
  };

  const hangup = async (outcome: Outcome): Promise<void> => {
    endedByUs ??= outcome;
    if (ended === undefined) {
      try {
        // The cause of the end comes with the channel's last event; without events the end is told all the same.
        if (await hangUpPhone(outcome)) await untilGone();
      } catch (error) {
        log.warn({ legId, error }, "hang-up did not reach Asterisk, it is repeated when ARI is back");
      }
    }
    await end({ outcome, cause: {}, tryNextTrunk: false });
  };

  return {
    isEnding,
    ended: () => ended,
    untilGone,
    end,
    hangup,

    tell: (fact) => {
      if (ended === undefined) onFact(fact);
    },

    giveUp: (outcome, error) => {
      if (isEnding()) return;
      log.error({ legId, outcome, error }, "leg given up");
      void hangup(outcome);
    },
  };
};
