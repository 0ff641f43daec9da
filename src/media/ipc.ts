/**
 * What pool and worker tell each other: JSON over the child's IPC pipe, never audio. Media keys and tokens cross it and nothing
 * else of the process boundary: no message is ever logged. Both sides parse what they receive.
 */
import * as z from "zod";

import type { MediaFact } from "../calls/ports.ts";
import { PROMPT_NAMES } from "../calls/voice.ts";
import { LANGUAGES } from "../numbering/language.ts";
import { spokenPromptNames } from "../dialin/spoken-prompts.ts";
import { ERROR_CODES } from "../errors.ts";
import { legId } from "../ids.ts";
import { ARRIVAL_TONES } from "./prompts.ts";
import { callAudioStatsSchema } from "./stats.ts";

const legMedia = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("asterisk-websocket"),
    url: z.string(),
    codec: z.enum(["alaw", "ulaw", "slin16"]),
  }),
  z.object({
    kind: z.literal("livekit-room"),
    url: z.string(),
    token: z.string(),
    phoneIdentity: z.string(),
    legId: z.string().transform(legId),
  }),
]);

const voice = z.object({ language: z.enum(LANGUAGES), folder: z.exactOptional(z.string()) });

const joinSession = z.object({
  callId: z.string(),
  roomId: z.string(),
  sfuUrl: z.string(),
  token: z.string(),
  identity: z.string(),
  encrypted: z.boolean(),
  voice: voice.optional(),
});

/** A join without the branded ids, which a pipe cannot carry. */
export type JoinSession = z.infer<typeof joinSession>;

const recording = z.object({ name: z.enum(spokenPromptNames()), ...voice.shape });

const request = { id: z.number(), callId: z.string() };

const workerRequest = z.discriminatedUnion("type", [
  z.object({ type: z.literal("join"), id: z.number(), callId: z.string(), session: joinSession }),
  z.object({ type: z.literal("attach"), ...request, media: legMedia }),
  z.object({ type: z.literal("bridge"), ...request }),
  z.object({ type: z.literal("setHeld"), ...request, held: z.boolean() }),
  z.object({ type: z.literal("setMuted"), ...request, muted: z.boolean() }),
  z.object({ type: z.literal("setVolume"), ...request, gainDb: z.number().min(-20).max(20) }),
  z.object({ type: z.literal("prompt"), ...request, name: z.enum(PROMPT_NAMES) }),
  z.object({ type: z.literal("promptCount"), ...request, people: z.number().int().min(0) }),
  z.object({ type: z.literal("stopMusic"), ...request }),
  z.object({ type: z.literal("press"), ...request, keys: z.string().regex(/^[0-9A-D*#]{1,64}$/) }),
  z.object({ type: z.literal("leave"), ...request }),
  z.object({ type: z.literal("enterLobby"), ...request, media: legMedia }),
  z.object({
    type: z.literal("sayInLobby"),
    ...request,
    recordings: z.array(recording),
    token: z.number(),
    music: z.boolean(),
  }),
  z.object({ type: z.literal("leaveLobby"), ...request }),
]);

/** Answered by `done` or `failed` with the same id. */
export type WorkerRequest = z.infer<typeof workerRequest>;

const key = z.object({
  type: z.literal("key"),
  callId: z.string(),
  identity: z.string(),
  index: z.number().int().min(0).max(255),
  /** Base64. */
  key: z.string(),
});

const members = z.object({ type: z.literal("members"), callId: z.string(), identities: z.array(z.string()) });

/** Told to the phones of a room. */
const arrival = z.object({ type: z.literal("arrival"), roomId: z.string(), tone: z.enum(ARRIVAL_TONES) });

const toWorker = z.union([workerRequest, key, members, arrival, z.object({ type: z.literal("ping") })]);
export type ToWorker = z.infer<typeof toWorker>;

const fact = z.discriminatedUnion("type", [
  z.object({ type: z.literal("media.flowing"), direction: z.enum(["fromPhone", "toPhone"]) }),
  z.object({ type: z.literal("media.silent"), direction: z.enum(["fromPhone", "toPhone"]) }),
  z.object({ type: z.literal("media.sfuLost"), message: z.string() }),
  z.object({ type: z.literal("media.legLost"), message: z.string() }),
]);
/** Facts that a worker reports; that it died itself only the pool can tell. */
export type WorkerFact = Exclude<MediaFact, { type: "media.workerLost" }>;

const lobbyFact = z.discriminatedUnion("type", [
  z.object({ type: z.literal("lobby.said"), token: z.number() }),
  z.object({ type: z.literal("lobby.lost"), message: z.string() }),
]);

const fromWorker = z.discriminatedUnion("type", [
  z.object({ type: z.literal("ready") }),
  z.object({ type: z.literal("pong") }),
  z.object({ type: z.literal("done"), id: z.number() }),
  z.object({
    type: z.literal("failed"),
    id: z.number(),
    code: z.enum(ERROR_CODES),
    message: z.string(),
    retryable: z.boolean(),
  }),
  z.object({ type: z.literal("fact"), callId: z.string(), fact }),
  z.object({ type: z.literal("lobbyFact"), callId: z.string(), fact: lobbyFact }),
  /** A key of a phone whose keys come with its audio. */
  z.object({ type: z.literal("legKey"), legId: z.string().transform(legId), digit: z.string().regex(/^[0-9A-D*#]$/) }),
  /** Of a call that is not bridged yet: who can be heard at the SFU. */
  z.object({ type: z.literal("speakers"), callId: z.string(), identities: z.array(z.string()) }),
  z.object({ type: z.literal("stats"), callId: z.string(), stats: callAudioStatsSchema }),
  z.object({
    type: z.literal("log"),
    level: z.enum(["debug", "info", "warn", "error"]),
    fields: z.record(z.string(), z.unknown()),
    message: z.string(),
  }),
]);
export type FromWorker = z.infer<typeof fromWorker>;

/** Undefined for anything that is not a message; what is wrong is not said, because the message may hold a key. */
export const parseToWorker = (message: unknown): ToWorker | undefined => toWorker.safeParse(message).data;
export const parseFromWorker = (message: unknown): FromWorker | undefined => fromWorker.safeParse(message).data;
