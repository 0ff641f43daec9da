import type { LegMedia } from "../calls/ports.ts";
import type { Clock } from "../clock.ts";
import { GatewayError, toGatewayError } from "../errors.ts";
import type { Log } from "../log.ts";
import { type Conference, createConference, type PhoneControls } from "./conference.ts";
import { FRAME_MS } from "./frame.ts";
import type { FromWorker, ToWorker, WorkerRequest } from "./ipc.ts";
import type { Leg, LegEvents } from "./legs/port.ts";
import { createLobby, type Lobby } from "./lobby.ts";
import type { G711As, UsualCodec } from "./phone-sfu.ts";
import type { CreateSfuClient } from "./sfu/port.ts";
import { startTicker, type Ticker } from "./tick.ts";

const STATS_INTERVAL_MS = 5000;
/** 160 ms: less is jitter that the receivers' buffers cover. */
const STALL_TICKS = 8;

export interface WorkerHostDeps {
  readonly clock: Clock;
  readonly createSfuClient: CreateSfuClient;
  readonly connectLeg: (media: LegMedia, events: LegEvents) => Promise<Leg>;
  readonly g711As: G711As;
  readonly send: (message: FromWorker) => void;
  readonly log: Log;
}

export interface WorkerHost {
  handle(message: ToWorker): void;
  /** Leaves every conference, for a worker that ends. */
  close(): Promise<void>;
}

/** What a worker does with the messages of the pool: one conference per room, one tick for all of them. */
export const createWorkerHost = (deps: WorkerHostDeps): WorkerHost => {
  const { clock, send } = deps;
  const conferences = new Map<string, Conference>();
  const roomOfCall = new Map<string, string>();
  const lobby = createLobby({
    clock,
    connectLeg: deps.connectLeg,
    onFact: (callId, fact) => send({ type: "lobbyFact", callId, fact }),
  });
  const usual: UsualCodec = { codec: deps.g711As === "opus" ? "opus" : "alaw" };
  let ticker: Ticker | undefined;
  let statsDueMs = 0;

  const sendStats = (conference: Conference): void => {
    for (const [callId, stats] of conference.stats()) send({ type: "stats", callId, stats });
  };
  /** No tick: the next one comes within 20 ms, at its time. One now would be a frame more than Asterisk plays, and stay in its queue as delay. */
  const afterStall = (skipped: number): void => {
    deps.log.warn({ stoppedMs: skipped * FRAME_MS }, "the media worker was stopped: audio of that time is lost");
    for (const conference of conferences.values()) conference.afterStall();
  };
  const tick = (): void => {
    for (const conference of conferences.values()) conference.tick();
    if (clock.nowMs() < statsDueMs) return;
    statsDueMs = clock.nowMs() + STATS_INTERVAL_MS;
    for (const conference of conferences.values()) sendStats(conference);
  };
  const find = (callId: string): Conference | undefined => conferences.get(roomOfCall.get(callId) ?? "");
  const speakers = createSpeakerReports(find, send);
  const conferenceOf = (callId: string): Conference => {
    const conference = find(callId);
    if (conference === undefined) throw new GatewayError("MEDIA_FAILED", "this worker does not know the call");
    return conference;
  };
  const openConference = (roomId: string): Conference => {
    const known = conferences.get(roomId);
    if (known !== undefined) return known;
    const conference = createConference({
      ...deps,
      usual,
      nowMs: () => clock.nowMs(),
      onFact: (callId, fact) => send({ type: "fact", callId, fact }),
    });
    conferences.set(roomId, conference);
    ticker ??= startTicker(clock, FRAME_MS, (skipped) => {
      // Timers come before sockets: after a moment of work, frames that are here already would count as late, and the jitter buffers grow.
      if (skipped >= STALL_TICKS) afterStall(skipped);
      else setImmediate(tick);
    });
    return conference;
  };
  const closeIfEmpty = (roomId: string): void => {
    if (conferences.get(roomId)?.isEmpty() !== true) return;
    conferences.delete(roomId);
    if (conferences.size > 0) return;
    ticker?.stop();
    ticker = undefined;
  };

  const join = async ({ session }: Extract<WorkerRequest, { type: "join" }>): Promise<void> => {
    roomOfCall.set(session.callId, session.roomId);
    await openConference(session.roomId).join(session);
    speakers.joined(session.callId);
  };
  const leave = async (callId: string): Promise<void> => {
    speakers.forget(callId);
    const roomId = roomOfCall.get(callId);
    const conference = conferences.get(roomId ?? "");
    if (roomId === undefined || conference === undefined) return;
    // The last figures of the call, before it is forgotten.
    sendStats(conference);
    await conference.leave(callId);
    roomOfCall.delete(callId);
    closeIfEmpty(roomId);
  };
  const run = async (request: WorkerRequest): Promise<void> => {
    if (isOfPhone(request)) return runOnPhone(conferenceOf(request.callId).phone(request.callId), request);
    if (isInLobby(request)) return runInLobby(lobby, request);
    switch (request.type) {
      case "join":
        return join(request);
      case "attach":
        return conferenceOf(request.callId).attach(request.callId, request.media);
      case "press":
        return conferenceOf(request.callId).press(request.callId, request.keys);
      case "bridge":
        speakers.forget(request.callId);
        return conferenceOf(request.callId).phone(request.callId).bridge();
      case "leave":
        return leave(request.callId);
    }
  };
  const answer = async (request: WorkerRequest): Promise<void> => {
    try {
      await run(request);
      send({ type: "done", id: request.id });
    } catch (thrown) {
      const error = toGatewayError(thrown);
      deps.log.warn({ callId: request.callId, request: request.type, cause: causeOf(error) }, error.message);
      send({ type: "failed", id: request.id, code: error.code, message: error.message, retryable: error.retryable });
      if (request.type !== "join") return;
      const roomId = roomOfCall.get(request.callId) ?? "";
      if (find(request.callId)?.has(request.callId) === false) roomOfCall.delete(request.callId);
      closeIfEmpty(roomId);
    }
  };

  return {
    handle(message) {
      if (message.type === "ping") send({ type: "pong" });
      else if (message.type === "key") {
        const { callId, identity, index } = message;
        find(callId)?.setKey(callId, { identity, index, key: Buffer.from(message.key, "base64") });
      } else if (message.type === "members") {
        find(message.callId)?.setMembers(message.callId, message.identities);
        speakers.changed(message.callId);
      } else if (message.type === "arrival") conferences.get(message.roomId)?.arrival(message.tone);
      else void answer(message);
    },
    async close() {
      await Promise.allSettled([lobby.close(), ...[...roomOfCall.keys()].map((callId) => leave(callId))]);
    },
  };
};

/** Tells of calls that are not bridged yet whose microphones are on: until then the keys of those are waited for. */
const createSpeakerReports = (
  find: (callId: string) => Pick<Conference, "speakers"> | undefined,
  send: WorkerHostDeps["send"],
) => {
  const waiting = new Set<string>();
  const changed = (callId: string): void => {
    const conference = waiting.has(callId) ? find(callId) : undefined;
    if (conference !== undefined) send({ type: "speakers", callId, identities: [...conference.speakers(callId)] });
  };
  return {
    joined: (callId: string): void => {
      waiting.add(callId);
      changed(callId);
    },
    changed,
    forget: (callId: string): boolean => waiting.delete(callId),
  };
};

const causeOf = (error: GatewayError): string | undefined =>
  error.cause instanceof Error ? error.cause.message : undefined;

const OF_PHONE = ["setHeld", "setMuted", "setVolume", "prompt", "promptCount", "stopMusic"] as const;
type PhoneRequest = Extract<WorkerRequest, { type: (typeof OF_PHONE)[number] }>;
const isOfPhone = (request: WorkerRequest): request is PhoneRequest => OF_PHONE.some((type) => type === request.type);

const runOnPhone = (phone: PhoneControls, request: PhoneRequest): void => {
  switch (request.type) {
    case "setHeld":
      return phone.setHeld(request.held);
    case "setMuted":
      return phone.setMuted(request.muted);
    case "setVolume":
      return phone.setVolume(request.gainDb);
    case "prompt":
      return phone.prompt(request.name);
    case "promptCount":
      return phone.promptCount(request.people);
    case "stopMusic":
      return phone.stopMusic();
  }
};

const IN_LOBBY = ["enterLobby", "sayInLobby", "leaveLobby"] as const;
type LobbyRequest = Extract<WorkerRequest, { type: (typeof IN_LOBBY)[number] }>;
const isInLobby = (request: WorkerRequest): request is LobbyRequest => IN_LOBBY.some((type) => type === request.type);

const runInLobby = async (lobby: Lobby, request: LobbyRequest): Promise<void> => {
  switch (request.type) {
    case "enterLobby":
      return lobby.enter(request.callId, request.media);
    case "sayInLobby":
      return lobby.say(request.callId, request.recordings, request.token, request.music);
    case "leaveLobby":
      return lobby.leave(request.callId);
  }
};
