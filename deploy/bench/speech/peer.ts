/** One member of the speech bench, in a process of its own: each native library may be in a process once only. */
import { readFileSync, writeFileSync } from "node:fs";
import type { Clock } from "../../../src/clock.ts";
import { decodeG711, encodeG711 } from "../../../src/media/codecs/g711.ts";
import { createDecoder } from "../../../src/media/codecs/transcode.ts";
import { FRAME_MS, samplesPerFrame } from "../../../src/media/frame.ts";
import { isAudible } from "../../../src/media/levels.ts";
import { createListener } from "../../../src/media/listener.ts";
import { createMixer } from "../../../src/media/mixer.ts";
import type { CreateSfuClient, SfuClient } from "../../../src/media/sfu/port.ts";
import { startTicker } from "../../../src/media/tick.ts";
import type { FromPeer, PeerKind, PeerOptions, ToPeer } from "./peer-port.ts";

const RATE_HZ = 8000;
const FRAME_SAMPLES = samplesPerFrame(RATE_HZ);

const clock: Clock = {
  nowMs: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};
const tell = (type: FromPeer["type"]): void => {
  process.send?.({ type } satisfies FromPeer);
};

const CLIENTS: Readonly<Record<PeerKind, () => Promise<CreateSfuClient>>> = {
  light: async () => (await import("../../../src/media/sfu/light/client.ts")).createLightSfuClient,
  native: async () => (await import("../../../src/media/sfu/native.ts")).createNativeSfuClient,
};

/** Everything from the first sound on. */
const createRecording = () => {
  const frames: Int16Array[] = [];
  return {
    add(samples: Int16Array): void {
      if (frames.length === 0) {
        if (!isAudible(samples)) return;
        tell("hears");
      }
      frames.push(samples.slice());
    },
    bytes: () => Buffer.concat(frames.map(({ buffer }) => Buffer.from(buffer))),
  };
};

const createPeer = async (options: PeerOptions) => {
  const { kind, address, hears } = options;
  const recording = createRecording();
  const listener = createListener(RATE_HZ, () => clock.nowMs());
  const toNarrowband = createDecoder(RATE_HZ);
  const client: SfuClient = (await CLIENTS[kind]())({
    address,
    publishes: options.publishes,
    wants: (identity) => identity === hears?.identity,
    events: {
      onState: () => {},
      onTrackEnded: (track) => listener.onTrackEnded(client, track),
      onFrame: (track, frame) => {
        if (kind === "light") listener.onFrame(client, track, frame);
        else for (const samples of toNarrowband(frame)) if (samples !== undefined) recording.add(samples);
      },
    },
  });
  for (const [identity, key] of Object.entries(options.keys)) {
    client.setKey({ identity, index: 0, key: Buffer.from(key, "base64") });
  }
  await client.connect();
  if (hears !== undefined && kind === "native") client.listen(RATE_HZ);
  if (hears !== undefined && kind === "light") {
    listener.add(client);
    const mixer = createMixer(FRAME_SAMPLES);
    startTicker(clock, FRAME_MS, () => {
      mixer.clear();
      listener.mixInto(mixer);
      // As the phone gets it.
      recording.add(decodeG711("alaw", encodeG711("alaw", mixer.without(undefined, undefined))));
    });
  }

  const speech = options.says === undefined ? new Int16Array() : new Int16Array(readFileSync(options.says).buffer);
  let at: number | undefined;
  const silence = new Int16Array(FRAME_SAMPLES);
  const nextFrame = (): Int16Array => {
    if (at === undefined) return silence;
    const samples = speech.subarray(at, at + FRAME_SAMPLES);
    at += FRAME_SAMPLES;
    if (samples.length === FRAME_SAMPLES) return samples;
    at = undefined;
    tell("said");
    return silence;
  };
  if (options.says !== undefined) {
    startTicker(clock, FRAME_MS, (skipped) => {
      for (let i = 0; i <= skipped; i++) {
        client.send({ codec: "alaw", payload: encodeG711("alaw", nextFrame()), lost: 0 });
      }
    });
  }
  return {
    say(): void {
      at = 0;
    },
    save(): void {
      if (hears !== undefined) writeFileSync(hears.file, recording.bytes());
    },
  };
};

let peer: Awaited<ReturnType<typeof createPeer>> | undefined;
process.on("message", (message: ToPeer) => {
  if (message.type === "open") {
    void createPeer(message.options).then((opened) => {
      peer = opened;
      tell("opened");
    });
  } else if (message.type === "say") peer?.say();
  else {
    peer?.save();
    tell("saved");
  }
});
process.on("disconnect", () => process.exit(0));
tell("started");
