/**
 * The desk between the SIP engines and the calls: a caller who dials a menu number, or who has to wait for a moderator, is answered here, and
 * comes out as an incoming call that was admitted to a room. The calls' side sees a SipPort like any other, on which that call is accepted and
 * answered once more.
 */
import { randomUUID } from "node:crypto";
import type { Door, DoorVisit } from "./calls/door.ts";
import type { Outcome } from "./calls/outcome.ts";
import type { IncomingCall, LegFact, LegMedia, SipPort } from "./calls/ports.ts";
import type { Clock } from "./clock.ts";
import type { MenuSetup } from "./dialin/menu.ts";
import { type MenuPorts, runMenu } from "./dialin/menu-run.ts";
import type { PinCheck } from "./dialin/pin-check.ts";
import { toGatewayError } from "./errors.ts";
import { callId, type LegId } from "./ids.ts";
import type { Log } from "./log.ts";
import type { LobbyFact, LobbyPort } from "./media/lobby-port.ts";
import type { Recording } from "./media/spoken-prompts.ts";

/** More than room number and PIN. */
const MOST_EARLY_KEYS = 40;
/** Who ends a complete PIN with `#` may do so when the call has begun already, where `#` asks for help. */
const LATE_HASH_MS = 3000;

export interface MenuChoice {
  readonly setup: MenuSetup;
  readonly check: PinCheck;
  /** Administrator's recordings (media/spoken-prompts.ts). */
  readonly promptFolder?: string;
  /** What tells callers apart, for the delays of the PIN; absent: hidden or unknown. */
  readonly caller?: string;
}

export interface MenuDeskDeps {
  readonly sip: SipPort;
  readonly lobby: LobbyPort;
  /** The menu of the number that was dialled; undefined: that number has none. */
  readonly menuFor: (incoming: IncomingCall) => MenuChoice | undefined;
  readonly door: Door;
  /** Callers at the desk at a time; more are refused with `limit-reached`. */
  readonly maxCallers: number;
  readonly maxDurationMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

export interface MenuDesk extends SipPort {
  /** Sends all callers at the desk away; those that are in calls stay. Resolves when the legs are gone. */
  closeMenus(): Promise<void>;
}

/** A leg that the desk has, or had and gave to a call. */
interface Visit {
  onFact: (fact: LegFact) => void;
  /** Ends the visit, whatever it does. */
  readonly end: (outcome: Outcome) => Promise<void>;
  isAdmitted: boolean;
  /** Its end came before the call took it over. */
  ended?: Extract<LegFact, { type: "leg.ended" }>;
}

/** What a caller at the desk is talking to. */
interface Attendant {
  key(digit: string): void;
  played(token: number): void;
  hungUp(): void;
}

/** Words whose end was never told. */
const LONGEST_GOODBYE_MS = 15_000;
const GOODBYE_TOKEN = 1;

/** Answers a caller, and keeps it until it leaves or is admitted. */
const receive = (
  { deps, visits }: { readonly deps: MenuDeskDeps; readonly visits: Map<LegId, Visit> },
  incoming: IncomingCall,
  choice: MenuChoice | DoorVisit,
  listener: (admitted: IncomingCall) => void,
): void => {
  const { sip, lobby, clock, log } = deps;
  const { legId, trunkId } = incoming;
  const call = callId(randomUUID());
  let attendant: Attendant | undefined;
  let isAnswering = false;
  /** Keys of a caller who is faster than our answer. */
  const early: string[] = [];

  const isHere = (): boolean => visits.get(legId) === visit;
  const end = async (outcome: Outcome): Promise<void> => {
    visits.delete(legId);
    attendant?.hungUp();
    await Promise.all([lobby.leave(call), sip.hangup(legId, outcome)]);
  };
  const fail = (outcome: Outcome, thrown: unknown): void => {
    if (!isHere()) return;
    log.warn({ legId, code: toGatewayError(thrown).code }, `the visit ended: ${toGatewayError(thrown).message}`);
    void end(outcome);
  };
  const onLobby = (fact: LobbyFact): void => {
    if (fact.type === "lobby.said") attendant?.played(fact.token);
    else fail("media-failed", new Error(fact.message));
  };
  const say = (recordings: readonly Recording[], token: number, followedBy?: "music"): void => {
    lobby.say(call, recordings, token, followedBy).catch((thrown: unknown) => fail("media-failed", thrown));
  };

  const admit = (admitted: IncomingCall): void => {
    visit.isAdmitted = true;
    log.info({ legId, trunkId, roomId: admitted.admittedTo }, "a caller was admitted at the desk");
    // The lobby's end first: the leg's audio has one place.
    void lobby.leave(call).then(() => listener(admitted));
  };
  const sendAway = ({ voice }: DoorVisit): void => {
    const leave = (): void => void (isHere() ? end("not-permitted") : undefined);
    const cancel = clock.after(LONGEST_GOODBYE_MS, leave);
    // Not what was said before, whose end may be on its way.
    const played = (token: number): void => (token === GOODBYE_TOKEN ? leave() : undefined);
    attendant = { key: () => {}, played, hungUp: cancel };
    say(
      [
        { ...voice, name: "not-admitted" },
        { ...voice, name: "goodbye" },
      ],
      GOODBYE_TOKEN,
    );
  };
  const waitAtDoor = async (admitted: IncomingCall, door: DoorVisit): Promise<void> => {
    attendant = { key: () => {}, played: () => {}, hungUp: () => door.leave() };
    say([{ ...door.voice, name: "waiting-for-moderator" }], 0, "music");
    const answer = await door.answer;
    if (!isHere()) return;
    if (answer === "refused") return sendAway(door);
    const { roomId, voice } = door;
    admit({ ...admitted, admittedTo: roomId, language: voice.language, isInvited: answer === "invited" });
  };

  const startMenu = ({ setup, caller, check, promptFolder }: MenuChoice): void => {
    const folder = promptFolder === undefined ? {} : { folder: promptFolder };
    const ports: MenuPorts = {
      play: (prompts, token) =>
        say(
          prompts.map((prompt) => ({ ...prompt, ...folder })),
          token,
        ),
      dispatch: (room, language) => {
        const admitted = { ...incoming, admittedTo: room, language };
        const door = deps.door.approach(admitted);
        if (door === undefined) admit(admitted);
        else void waitAtDoor(admitted, door);
      },
      hangUp: (outcome) => void end(outcome),
    };
    attendant = runMenu({ setup, caller, check, clock, log, ports });
  };

  const answer = async (media: LegMedia): Promise<void> => {
    try {
      await lobby.enter(call, media, onLobby);
      await sip.answer(legId);
    } catch (thrown) {
      return fail("media-failed", thrown);
    }
    // It may have hung up meanwhile.
    if (!isHere()) return;
    if (!("setup" in choice)) return void waitAtDoor(incoming, choice);
    startMenu(choice);
    for (const digit of early.splice(0)) attendant?.key(digit);
  };

  const onFact = (fact: LegFact): void => {
    if (fact.type === "leg.mediaReady") {
      // Audio that is made ready once more is for a worker that has not come; the lobby comes at once.
      if (!isAnswering) void answer(fact.media);
      isAnswering = true;
    } else if (fact.type === "leg.dtmf") {
      if (attendant !== undefined) attendant.key(fact.digit);
      else if (early.length < MOST_EARLY_KEYS) early.push(fact.digit);
    } else if (fact.type === "leg.ended") {
      if (visit.isAdmitted) visit.ended = fact;
      else if (visits.has(legId)) void end(fact.outcome);
    }
  };
  const visit: Visit = { onFact, end, isAdmitted: false };
  visits.set(legId, visit);
  if (!("setup" in choice)) attendant = { key: () => {}, played: () => {}, hungUp: () => choice.leave() };
  log.info({ legId, trunkId }, "a caller is at the desk");
  sip.accept({ legId, maxDurationMs: deps.maxDurationMs }, (fact) => visit.onFact(fact));
};

export const createMenuDesk = (deps: MenuDeskDeps): MenuDesk => {
  const { sip, log } = deps;
  const visits = new Map<LegId, Visit>();

  /** The leg's audio once more, and its facts to the call from now on. */
  const takeOver = async (legId: LegId, visit: Visit, onFact: (fact: LegFact) => void): Promise<void> => {
    const takenAtMs = deps.clock.nowMs();
    let isFirstKey = true;
    const isLateHash = (digit: string): boolean =>
      isFirstKey && digit === "#" && deps.clock.nowMs() - takenAtMs <= LATE_HASH_MS;
    visit.onFact = (fact) => {
      if (fact.type === "leg.ended") visits.delete(legId);
      if (fact.type !== "leg.dtmf") return onFact(fact);
      const isOurs = isLateHash(fact.digit);
      isFirstKey = false;
      if (!isOurs) onFact(fact);
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

  const atDesk = (): readonly Visit[] => [...visits.values()].filter(({ isAdmitted }) => !isAdmitted);

  return {
    ...sip,
    onIncoming: (listener) => {
      sip.onIncoming((incoming) => {
        const choice = deps.menuFor(incoming) ?? deps.door.approach(incoming);
        if (choice === undefined) return listener(incoming);
        if (atDesk().length >= deps.maxCallers) {
          log.warn({ legId: incoming.legId, trunkId: incoming.trunkId }, "too many callers are at the desk");
          if (!("setup" in choice)) choice.leave();
          return void sip.hangup(incoming.legId, "limit-reached");
        }
        receive({ deps, visits }, incoming, choice, listener);
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
      // The desk has answered it.
      visit.onFact({ type: "leg.answered" });
    },
    hangup: async (legId, outcome) => {
      // A call that was refused although it was admitted is not accepted, so nobody waits for the leg's end.
      await sip.hangup(legId, outcome);
      visits.delete(legId);
    },
    closeMenus: async () => {
      await Promise.all(atDesk().map((visit) => visit.end("shutdown")));
    },
  };
};
