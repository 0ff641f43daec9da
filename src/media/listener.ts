import type { MediaKey } from "../calls/ports.ts";
import { isOpusDtx } from "./codecs/opus.ts";
import { createDecoder, type DecodedFrames } from "./codecs/transcode.ts";
import { type Frame, MAX_MADE_UP_FRAMES, type SampleRateHz } from "./frame.ts";
import { createFrameQueue, type FrameQueue } from "./frame-queue.ts";
import type { Mixer } from "./mixer.ts";
import type { RemoteTrack, SfuClient } from "./sfu/port.ts";

/** How long a planned hand-over waits for the next connection to hear everybody. */
const HANDOVER_TIMEOUT_MS = 400;
const FLUSH_INTERVAL_MS = 3000;
/** After a stall: time in which all that waited for us has come in. */
const BACKLOG_MS = 10;
/** Keys kept per member: its newest ones, enough for frames still on their way after a rotation. */
const KEYS_PER_MEMBER = 8;

interface Source {
  readonly queue: FrameQueue;
  readonly decode: (frame: Frame) => DecodedFrames;
}

/** @param frame its first one */
const createSource = (frame: Frame, rateHz: SampleRateHz, nowMs: () => number): Source => ({
  // A client that gives samples has smoothed them already.
  queue: createFrameQueue(rateHz, frame.codec === "slin" ? "smoothed" : "network", nowMs),
  decode: createDecoder(rateHz),
});

const takeFrame = ({ queue, decode }: Source, frame: Frame): void => {
  const madeUp = frame.codec === "slin" ? 0 : Math.min(frame.lost, MAX_MADE_UP_FRAMES);
  decode(frame).forEach((samples, i) => queue.push(samples, i < madeUp));
  if (frame.codec === "opus" && isOpusDtx(frame.payload)) queue.rest();
};

/**
 * Hears the conference for all its phones: of their SFU connections exactly one subscribes to the remote tracks, so that each is
 * received, decrypted and decoded once. The member keys live here and move with the job.
 */
export interface Listener {
  /** A connection that may take the job from now on. */
  add(client: SfuClient): void;
  /** A connection cannot hear at present (`interrupted`) or is gone: another one takes over at once. */
  remove(client: SfuClient): void;
  /** Before a connection is closed as planned: the next one subscribes first, and resolves when it hears everybody. */
  handOver(client: SfuClient): Promise<void>;
  /** Who is heard has changed. A connection that does not listen asks when it begins to. */
  review(): void;
  setRate(sampleRateHz: SampleRateHz): void;
  setKey(key: MediaKey): void;
  /** Must be called with every frame of every connection; ignores those that have not got the job. */
  onFrame(client: SfuClient, track: RemoteTrack, frame: Frame): void;
  onTrackEnded(client: SfuClient, track: RemoteTrack): void;
  /** We were stopped: nothing that was said meanwhile is played. */
  afterStall(): void;
  /** Adds one frame of everybody; call once per tick. */
  mixInto(mixer: Mixer): void;
  /** True when somebody publishes audio that is not muted: something ought to be heard. */
  somebodyTalks(): boolean;
  undecryptableMembers(): number;
  /** Frames since the last call: missing in the mix, and thrown away. */
  takeCounts(): { lost: number; dropped: number };
}

export const createListener = (initialRateHz: SampleRateHz, nowMs: () => number): Listener => {
  let rateHz = initialRateHz;
  /** Connected ones, oldest first. */
  const clients: SfuClient[] = [];
  const keys = createMemberKeys();
  let active: SfuClient | undefined;
  let next: { client: SfuClient; heard: () => void } | undefined;
  /** Of the active connection and, during a hand-over, of the next one. */
  const sources = new Map<SfuClient, Map<RemoteTrack, Source>>();
  let counts = { lost: 0, dropped: 0 };
  let flushedAtMs = -Infinity;
  let discardUntilMs = -Infinity;

  const prepare = (client: SfuClient): void => {
    sources.set(client, new Map());
    for (const key of keys.all()) client.setKey(key);
    client.listen(rateHz);
  };
  const stop = (client: SfuClient): void => {
    sources.delete(client);
    client.listen(undefined);
  };
  const takeJob = (client: SfuClient): void => {
    if (!sources.has(client)) prepare(client);
    active = client;
    next = undefined;
  };
  const sourceOf = (client: SfuClient, track: RemoteTrack, frame: Frame): Source | undefined => {
    const known = sources.get(client);
    if (known === undefined) return undefined;
    const source = known.get(track) ?? createSource(frame, rateHz, nowMs);
    known.set(track, source);
    return source;
  };
  const sourcesOf = (client: SfuClient | undefined): Sources => (client && sources.get(client)) ?? new Map();
  const hearsEverybody = (client: SfuClient): boolean => hasAllOf(sourcesOf(client), sourcesOf(active));

  return {
    add(client) {
      if (!clients.includes(client)) clients.push(client);
      if (active === undefined) takeJob(client);
      // One that lost the job while it was interrupted must not go on listening.
      else if (client !== active && client !== next?.client) client.listen(undefined);
    },
    remove(client) {
      const at = clients.indexOf(client);
      if (at >= 0) clients.splice(at, 1);
      if (!sources.has(client)) return;
      stop(client);
      if (client === next?.client) {
        const { heard } = next;
        // First, so that nobody takes it for a successor any more.
        next = undefined;
        heard();
      }
      if (client !== active) return;
      active = undefined;
      const successor = next?.client ?? clients[0];
      if (successor !== undefined) takeJob(successor);
    },
    async handOver(client) {
      if (client !== active) return;
      const successor = clients.find((other) => other !== client);
      if (successor === undefined) return;
      const heard = Promise.withResolvers<void>();
      next = { client: successor, heard: heard.resolve };
      prepare(successor);
      if (hearsEverybody(successor)) heard.resolve();
      await atMost(HANDOVER_TIMEOUT_MS, heard);
      if (active !== client) return;
      // Another one when it was lost meanwhile: phones that leave together must not leave the others without a listener.
      if (next?.client !== successor) return this.handOver(client);
      takeJob(successor);
      stop(client);
    },
    review() {
      for (const client of sources.keys()) client.review();
    },
    setRate(sampleRateHz) {
      if (rateHz === sampleRateHz) return;
      rateHz = sampleRateHz;
      for (const [client, known] of sources) {
        known.clear();
        client.listen(rateHz);
      }
    },
    setKey(key) {
      if (!keys.add(key)) return;
      for (const client of sources.keys()) client.setKey(key);
    },
    onFrame(client, track, frame) {
      if (nowMs() < discardUntilMs) return;
      const source = sourceOf(client, track, frame);
      if (source === undefined) return;
      takeFrame(source, frame);
      if (client === next?.client && hearsEverybody(client)) next.heard();
    },
    onTrackEnded(client, track) {
      sources.get(client)?.delete(track);
    },
    afterStall() {
      // Flushing costs a gap: on a machine that stalls again and again the longer buffer is the better one.
      if (nowMs() - flushedAtMs > FLUSH_INTERVAL_MS) active?.flush();
      flushedAtMs = nowMs();
      discardUntilMs = nowMs() + BACKLOG_MS;
      for (const known of sources.values()) for (const { queue } of known.values()) queue.restart();
    },
    mixInto(mixer) {
      keepStep(sourcesOf(next?.client));
      for (const [track, { queue }] of sourcesOf(active)) {
        if (track.muted) queue.rest();
        const samples = queue.pop();
        if (samples !== undefined) mixer.add(samples);
        const { lost, dropped } = queue.takeCounts();
        counts.lost += lost;
        counts.dropped += dropped;
      }
    },
    somebodyTalks: () => active?.remoteTracks().some((track) => !track.muted) ?? false,
    undecryptableMembers: () =>
      new Set(active?.remoteTracks().flatMap((track) => (track.undecryptable ? [track.identity] : []))).size,
    takeCounts() {
      const taken = counts;
      counts = { lost: 0, dropped: 0 };
      return taken;
    },
  };
};

type Sources = ReadonlyMap<RemoteTrack, Source>;

/** True when the next connection has a frame of every track that the active one hears; of a silent one none may come. */
const hasAllOf = (next: Sources, active: Sources): boolean => {
  const heard = new Set([...next.keys()].map(({ trackId }) => trackId));
  return [...active].every(([{ trackId }, { queue }]) => queue.isResting() || heard.has(trackId));
};

/** The next connection plays unheard, so that there is nothing to catch up with when it takes over. */
const keepStep = (sources: Sources): void => {
  for (const { queue } of sources.values()) {
    queue.pop();
    queue.takeCounts();
  }
};

const atMost = async (timeoutMs: number, { promise, resolve }: PromiseWithResolvers<void>): Promise<void> => {
  const timer = setTimeout(resolve, timeoutMs);
  await promise;
  clearTimeout(timer);
};

/** The newest keys of each member. */
const createMemberKeys = () => {
  const members = new Map<string, MediaKey[]>();
  return {
    all: () => [...members.values()].flat(),
    /** False when it is known: every ghost of the room gets the same key from the member, once is enough. */
    add(key: MediaKey): boolean {
      const ring = members.get(key.identity) ?? [];
      members.set(key.identity, ring);
      const known = ring.findIndex(({ index }) => index === key.index);
      if (known >= 0 && Buffer.compare(ring[known]!.key, key.key) === 0) return false;
      if (known >= 0) ring.splice(known, 1);
      ring.push(key);
      if (ring.length > KEYS_PER_MEMBER) ring.shift();
      return true;
    },
  };
};
