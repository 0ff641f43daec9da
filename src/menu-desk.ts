/**
 * The menu between the SIP engines and the calls: a caller who dials a menu number is answered here, and comes out as an incoming call that
 * was admitted to a room. The calls' side sees a SipPort like any other, on which that call is accepted and answered once more.
 */
import { randomUUID } from "node:crypto";
import type { Outcome } from "./calls/outcome.ts";
import type { IncomingCall, LegFact, LegMedia, SipPort } from "./calls/ports.ts";
import type { Clock } from "./dialin/clock.ts";
import type { MenuSetup } from "./dialin/menu.ts";
import { type MenuRun, runMenu } from "./dialin/menu-run.ts";
import type { PinCheck } from "./dialin/pin-check.ts";
import { toGatewayError } from "./errors.ts";
import { callId, type LegId, type RoomId } from "./ids.ts";
import type { Log } from "./log.ts";
import type { LobbyFact, LobbyPort } from "./media/lobby-port.ts";

/** More than room number and PIN. */
const MOST_EARLY_KEYS = 40;

export interface MenuChoice {
  readonly setup: MenuSetup;
  /** Administrator's recordings (media/spoken-prompts.ts). */
  readonly promptFolder?: string;
  /** What tells callers apart, for the delays of the PIN; absent: hidden or unknown. */
  readonly caller?: string;
}

export interface MenuDeskDeps {
  readonly sip: SipPort;
  readonly lobby: LobbyPort;
  readonly check: PinCheck;
  /** The menu of the number that was dialled; undefined: that number has none. */
  readonly menuFor: (incoming: IncomingCall) => MenuChoice | undefined;
  /** Callers in menus at a time; more are refused with `limit-reached`. */
  readonly maxCallers: number;
  readonly maxDurationMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

export interface MenuDesk extends SipPort {
  /** Ends all menus; callers that are in calls stay. Resolves when the legs are gone. */
  closeMenus(): Promise<void>;
}

/** A leg that the menu has, or had and gave to a call. */
interface Visit {
  onFact: (fact: LegFact) => void;
  /** Ends the menu, whatever it does. */
  readonly end: (outcome: Outcome) => Promise<void>;
  isAdmitted: boolean;
  /** Its end came before the call took it over. */
  ended?: Extract<LegFact, { type: "leg.ended" }>;
}

export const createMenuDesk = (deps: MenuDeskDeps): MenuDesk => {
  const { sip, lobby, log } = deps;
  const visits = new Map<LegId, Visit>();

  const receive = (
    incoming: IncomingCall,
    { setup, promptFolder, caller }: MenuChoice,
    admit: (room: RoomId) => void,
  ): void => {
    const { legId, trunkId } = incoming;
    const call = callId(randomUUID());
    const folder = promptFolder === undefined ? {} : { folder: promptFolder };
    let menu: MenuRun | undefined;
    /** Keys of a caller who is faster than our answer. */
    const early: string[] = [];

    const end = async (outcome: Outcome): Promise<void> => {
      visits.delete(legId);
      menu?.hungUp();
      await Promise.all([lobby.leave(call), sip.hangup(legId, outcome)]);
    };
    const fail = (outcome: Outcome, thrown: unknown): void => {
      if (!visits.has(legId)) return;
      log.warn({ legId, code: toGatewayError(thrown).code }, `the menu ended: ${toGatewayError(thrown).message}`);
      void end(outcome);
    };
    const onLobby = (fact: LobbyFact): void => {
      if (fact.type === "lobby.said") menu?.played(fact.token);
      else fail("media-failed", new Error(fact.message));
    };

    const answer = async (media: LegMedia): Promise<void> => {
      try {
        await lobby.enter(call, media, onLobby);
        await sip.answer(legId);
      } catch (thrown) {
        return fail("media-failed", thrown);
      }
      // It may have hung up meanwhile.
      if (visits.get(legId) !== visit) return;
      menu = runMenu({ setup, caller, check: deps.check, clock: deps.clock, log, ports });
      for (const digit of early.splice(0)) menu.key(digit);
    };
    const ports = {
      play: (prompts: Parameters<Parameters<typeof runMenu>[0]["ports"]["play"]>[0], token: number): void => {
        const recordings = prompts.map((prompt) => ({ ...prompt, ...folder }));
        lobby.say(call, recordings, token).catch((thrown: unknown) => fail("media-failed", thrown));
      },
      dispatch: (room: RoomId): void => {
        visit.isAdmitted = true;
        log.info({ legId, trunkId, roomId: room }, "a caller was admitted by the menu");
        // The lobby's end first: the leg's audio has one place.
        void lobby.leave(call).then(() => admit(room));
      },
      hangUp: (outcome: Outcome): void => void end(outcome),
    };

    const onFact = (fact: LegFact): void => {
      if (fact.type === "leg.mediaReady") void answer(fact.media);
      else if (fact.type === "leg.dtmf") {
        if (menu !== undefined) menu.key(fact.digit);
        else if (early.length < MOST_EARLY_KEYS) early.push(fact.digit);
      } else if (fact.type === "leg.ended") {
        if (visit.isAdmitted) visit.ended = fact;
        else if (visits.has(legId)) void end(fact.outcome);
      }
    };
    const visit: Visit = { onFact, end, isAdmitted: false };
    visits.set(legId, visit);
    log.info({ legId, trunkId }, "a caller is in the menu");
    sip.accept({ legId, maxDurationMs: deps.maxDurationMs }, (fact) => visit.onFact(fact));
  };

  /** The leg's audio once more, and its facts to the call from now on. */
  const takeOver = async (legId: LegId, visit: Visit, onFact: (fact: LegFact) => void): Promise<void> => {
    visit.onFact = (fact) => {
      if (fact.type === "leg.ended") visits.delete(legId);
      onFact(fact);
    };
    await Promise.resolve();
    if (visit.ended !== undefined) return visit.onFact(visit.ended);
    try {
      const media = await sip.renewMedia(legId);
      onFact({ type: "leg.mediaReady", media });
    } catch (thrown) {
      log.warn({ legId, code: toGatewayError(thrown).code }, "an admitted caller's audio cannot be reached");
      await sip.hangup(legId, "media-failed");
    }
  };

  const inMenus = (): readonly Visit[] => [...visits.values()].filter(({ isAdmitted }) => !isAdmitted);

  return {
    ...sip,
    onIncoming: (listener) => {
      sip.onIncoming((incoming) => {
        const choice = deps.menuFor(incoming);
        if (choice === undefined) return listener(incoming);
        if (inMenus().length >= deps.maxCallers) {
          log.warn({ legId: incoming.legId, trunkId: incoming.trunkId }, "too many callers are in the menu");
          return void sip.hangup(incoming.legId, "limit-reached");
        }
        receive(incoming, choice, (admittedTo) => listener({ ...incoming, admittedTo }));
      });
    },
    accept: (request, onFact) => {
      const visit = visits.get(request.legId);
      if (visit === undefined) sip.accept(request, onFact);
      else void takeOver(request.legId, visit, onFact);
    },
    answer: async (legId) => {
      const visit = visits.get(legId);
      if (visit === undefined) return sip.answer(legId);
      // The menu has answered it.
      visit.onFact({ type: "leg.answered" });
    },
    hangup: async (legId, outcome) => {
      // A call that was refused although it was admitted is not accepted, so nobody waits for the leg's end.
      await sip.hangup(legId, outcome);
      visits.delete(legId);
    },
    closeMenus: async () => {
      await Promise.all(inMenus().map((visit) => visit.end("shutdown")));
    },
  };
};
