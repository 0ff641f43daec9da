/**
 * The ports of the call domain in memory. They count what is open (legs, ghosts, memberships, media sessions) and, in `manual` mode, leave
 * every operation under way until a test settles it, in any order.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type {
  CallRecord,
  DialRequest,
  IncomingCall,
  LegFact,
  LegMedia,
  MediaFact,
  MediaSession,
  PrepareMember,
  RoomPort,
  RoomView,
  RtcFact,
  SfuAccess,
} from "../../src/calls/ports.ts";
import type { Notice } from "../../src/calls/notice-ports.ts";
import type { CallStore } from "../../src/calls/call-store.ts";
import type { CallServiceDeps } from "../../src/calls/call-service.ts";
import type { RoomLocks } from "../../src/calls/moderation-ports.ts";
import type { Outcome } from "../../src/calls/outcome.ts";
import { GatewayError } from "../../src/errors.ts";
import type { LegId, RoomId } from "../../src/ids.ts";
import { roomId, userId } from "../../src/ids.ts";
import type { Log } from "../../src/log.ts";
import { createManualClock, type ManualClock } from "./manual-clock.ts";

export const ACCESS: SfuAccess = {
  sfuUrl: "wss://sfu.example.org",
  token: "sfu-token",
  identity: "@tel_1001:example.org:DEVICE",
  encrypted: true,
  transportUrl: "https://rtc.example.org",
};
export const LEG_MEDIA: LegMedia = { kind: "asterisk-websocket", url: "ws://127.0.0.1:1/media/x", codec: "alaw" };
export const ROOM = roomId("!room:example.org");
export const ALICE = userId("@alice:example.org");

export const aRoomView = (changes: Partial<RoomView> = {}): RoomView => ({
  roomId: ROOM,
  encrypted: true,
  conference: [{ userId: ALICE, isPhone: false }],
  memberEventPower: { needed: 0, ghost: 0 },
  botJoined: true,
  botCanInvite: true,
  canKick: () => false,
  isBanned: () => false,
  mayJoin: () => false,
  people: () => [ALICE],
  ...changes,
});

export const quietLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => quietLog,
};

export type OperationName =
  | "prepare"
  | "publish"
  | "exchangeKeys"
  | "answer"
  | "connect"
  | "ring"
  | "renewAccess"
  | "renewMedia"
  | "join"
  | "attach"
  | "bridge";
export type ReleaseName = "hangup" | "leave" | "mediaLeave";

interface Pending {
  readonly name: OperationName | ReleaseName;
  readonly settle: (isOk: boolean) => void;
}

export interface Accepted {
  readonly legId: LegId;
  /** As of Dialled. */
  fact(fact: LegFact): void;
}

export interface Dialled {
  readonly request: DialRequest;
  /** Sends a fact; nothing after `leg.ended`, as the port promises. */
  fact(fact: LegFact): void;
}

const createStore = (): CallStore & { readonly saved: CallRecord[] } => {
  const saved: CallRecord[] = [];
  const latest = (): readonly CallRecord[] => [...new Map(saved.map((record) => [record.callId, record])).values()];
  return {
    saved,
    save: (record) => saved.push(record),
    loadOpen: () => latest().filter(({ state }) => state !== "ended"),
    list: ({ roomId: room, limit }) =>
      latest()
        .filter((record) => room === undefined || record.roomId === room)
        .toReversed()
        .slice(0, limit),
    get: (id) => latest().find(({ callId }) => callId === id),
  };
};

export const createMemoryLocks = (): RoomLocks => {
  const locked = new Set<string>();
  return {
    isLocked: (room) => locked.has(room),
    set: (room, isLocked) => void (isLocked ? locked.add(room) : locked.delete(room)),
  };
};

export interface FakeWorld {
  readonly clock: ManualClock;
  readonly ports: Omit<
    CallServiceDeps,
    "plan" | "trunks" | "dispatchRules" | "callerNames" | "people" | "serverName" | "options" | "policy"
  >;
  readonly dialled: readonly Dialled[];
  readonly accepted: readonly Accepted[];
  /** A PBX sends a call. */
  ring(call: IncomingCall): void;
  /** How legs were hung up. */
  readonly hangups: readonly { readonly legId: LegId; readonly outcome: Outcome }[];
  readonly prepared: readonly { readonly request: PrepareMember; fact(fact: RtcFact): void }[];
  readonly joined: readonly { readonly session: MediaSession; fact(fact: MediaFact): void }[];
  /** Audio of legs that a worker was sent to. */
  readonly attached: readonly LegMedia[];
  readonly notices: readonly Notice[];
  /** Every port call in order, `media.bridge` and the like. */
  readonly calls: readonly string[];
  readonly saved: readonly CallRecord[];
  /** `state` of each transition the observer was told. */
  readonly transitions: readonly CallRecord[];
  readonly pending: Pending[];
  /** What is open now. */
  open(): { readonly legs: number; readonly ghosts: number; readonly memberships: number; readonly media: number };
  /** The next operation of this name fails with this code. */
  failNext(name: OperationName | ReleaseName, error: GatewayError): void;
  setRoom(view: RoomPort["viewAsBot"]): void;
  /** A room is replaced by another. */
  follow(from: RoomId, to: RoomId): void;
  /** Lets everything that is settled come through. */
  flush(): Promise<void>;
}

export const createFakeWorld = ({ mode }: { readonly mode: "auto" | "manual" }): FakeWorld => {
  const clock = createManualClock();
  const store = createStore();
  const legs = new Set<LegId>();
  const [ghosts, memberships, media] = [new Set<string>(), new Set<string>(), new Set<string>()];
  const dialled: Dialled[] = [];
  const accepted: Accepted[] = [];
  const hangups: { legId: LegId; outcome: Outcome }[] = [];
  let ring: FakeWorld["ring"] = () => undefined;
  const prepared: { request: PrepareMember; fact(fact: RtcFact): void }[] = [];
  const joined: { session: MediaSession; fact(fact: MediaFact): void }[] = [];
  const attached: LegMedia[] = [];
  const notices: Notice[] = [];
  const calls: string[] = [];
  const transitions: CallRecord[] = [];
  const pending: Pending[] = [];
  const successors = new Map<RoomId, RoomId>();
  const failures: [string, GatewayError][] = [];
  let view: RoomPort["viewAsBot"] = async () => aRoomView();

  const operation = <T>(name: OperationName | ReleaseName, succeed: () => T): Promise<T> => {
    calls.push(name);
    const failure = failures.findIndex(([failing]) => failing === name);
    if (failure !== -1) return Promise.reject(failures.splice(failure, 1)[0]?.[1]);
    if (mode === "auto") return Promise.resolve(succeed());
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const entry: Pending = {
      name,
      settle: (isOk) => {
        pending.splice(pending.indexOf(entry), 1);
        if (isOk) resolve(succeed());
        else reject(new GatewayError("INTERNAL", `${name} failed`, { retryable: true }));
      },
    };
    pending.push(entry);
    return promise;
  };
  const removeFrom =
    <T>(set: Set<T>, item: T) =>
    (): void =>
      void set.delete(item);

  const factsOf = (legId: LegId, onFact: (fact: LegFact) => void): Dialled["fact"] => {
    let isOver = false;
    return (fact) => {
      if (isOver) return;
      isOver = fact.type === "leg.ended";
      if (isOver) legs.delete(legId);
      onFact(fact);
    };
  };

  return {
    clock,
    dialled,
    accepted,
    hangups,
    ring: (call) => {
      legs.add(call.legId);
      ring(call);
    },
    prepared,
    joined,
    attached,
    notices,
    calls,
    saved: store.saved,
    transitions,
    pending,
    open: () => ({ legs: legs.size, ghosts: ghosts.size, memberships: memberships.size, media: media.size }),
    failNext: (name, error) => failures.push([name, error]),
    follow: (from, to) => void successors.set(from, to),
    setRoom: (next) => {
      view = next;
    },
    flush: async () => {
      for (let turn = 0; turn < 3; turn += 1) await nextTurn();
    },
    ports: {
      clock,
      store,
      log: quietLog,
      observer: { transition: (record) => transitions.push(record), audio: () => undefined },
      locks: createMemoryLocks(),
      door: {
        wayInto: () => "open",
        knock: async (_room, ghost) => void calls.push(`knock ${ghost}`),
        withdraw: async (_room, ghost) => void calls.push(`withdraw ${ghost}`),
        invite: async (_room, ghost) => void calls.push(`invite ${ghost}`),
        announce: async (_room, { name }) => {
          calls.push(`announce ${name}`);
          return `$announcement of ${name}`;
        },
      },
      rooms: {
        newestOf: (room) => successors.get(room) ?? room,
        isModerator: (_room, user) => user === ALICE,
        viewAsBot: (room) => view(room),
        // As the real one: what the bot knows, else what the ghost sees.
        viewAsGhost: async (room) => {
          calls.push("viewAsGhost");
          return view(room).catch(() => aRoomView({ botJoined: false }));
        },
      },
      notices: {
        notify: async (_target, notice) => {
          notices.push(notice);
        },
      },
      sip: {
        dial: (request, onFact) => {
          calls.push("dial");
          legs.add(request.legId);
          dialled.push({ request, fact: factsOf(request.legId, onFact) });
        },
        onIncoming: (listener) => {
          ring = listener;
        },
        accept: ({ legId }, onFact) => {
          calls.push("accept");
          legs.add(legId);
          accepted.push({ legId, fact: factsOf(legId, onFact) });
        },
        answer: (leg) =>
          operation("answer", () => accepted.findLast(({ legId }) => legId === leg)?.fact({ type: "leg.answered" })),
        connect: (caller, called) => {
          calls.push(`connect ${caller} ${called}`);
          return operation("connect", () =>
            accepted.findLast(({ legId }) => legId === caller)?.fact({ type: "leg.answered" }),
          );
        },
        hangup: (leg, outcome) => {
          hangups.push({ legId: leg, outcome });
          return operation("hangup", removeFrom(legs, leg));
        },
        renewMedia: () => operation("renewMedia", () => LEG_MEDIA),
        // As the real one: resolves when the PBX has hung up.
        transfer: async (leg, dialString) => {
          calls.push(`transfer ${dialString}`);
          const done = { type: "leg.ended", outcome: "completed", cause: {}, tryNextTrunk: false } as const;
          dialled.findLast(({ request }) => request.legId === leg)?.fact(done);
        },
        press: async (_leg, keys) => void calls.push(`press ${keys}`),
        listLegs: async () => [...legs],
      },
      rtc: {
        prepare: (request, fact) => {
          prepared.push({ request, fact });
          return operation("prepare", () => {
            ghosts.add(request.callId);
            return ACCESS;
          });
        },
        publish: (call) => operation("publish", () => void memberships.add(call)),
        keysExchanged: () => operation("exchangeKeys", () => undefined),
        ring: () => operation("ring", () => undefined),
        raiseHand: async (_call, isRaised) => void calls.push(isRaised ? "raise hand" : "lower hand"),
        showHold: async (_call, isHeld) => void calls.push(isHeld ? "name: on hold" : "name: as before"),
        renewAccess: () => operation("renewAccess", () => ACCESS),
        leave: (call) =>
          operation("leave", () => {
            ghosts.delete(call);
            memberships.delete(call);
          }),
        cleanUp: async (ghost, room) => void calls.push(`cleanUp ${ghost} ${room}`),
      },
      media: {
        join: (session, fact) => {
          joined.push({ session, fact });
          return operation("join", () => void media.add(session.callId));
        },
        attach: (call, legMedia) => {
          attached.push(legMedia);
          return operation("attach", () => void media.add(call));
        },
        bridge: () => operation("bridge", () => undefined),
        setHeld: async (_call, held) => void calls.push(held ? "hold" : "resume"),
        prompt: async (_call, name) => void calls.push(`prompt ${name}`),
        setVolume: async (_call, gainDb) => void calls.push(`volume ${gainDb} dB`),
        setMuted: async (_call, muted) => void calls.push(muted ? "mute" : "unmute"),
        promptCount: async (_call, people) => void calls.push(`prompt ${people}`),
        stopMusic: async () => void calls.push("stop music"),
        setKey: () => undefined,
        setMembers: () => undefined,
        leave: (call) => operation("mediaLeave", removeFrom(media, call)),
      },
    },
  };
};
