import { describe, expect, test } from "@jest/globals";

import { encodeG711 } from "../../../src/media/codecs/g711.ts";
import { createOpusEncoder } from "../../../src/media/codecs/opus.ts";
import type { Frame } from "../../../src/media/frame.ts";
import { createListener } from "../../../src/media/listener.ts";
import { createMixer } from "../../../src/media/mixer.ts";
import type { RemoteTrack, SfuClient } from "../../../src/media/sfu/port.ts";
import { createTone, toneLevel } from "../../support/media/tones.ts";

const DTX: Frame = { codec: "opus", payload: Uint8Array.of(0x78), lost: 0 };

/** A connection that notes whether it is to listen. */
const createClient = (): SfuClient & { listens: boolean; tracks: RemoteTrack[] } => {
  const client = {
    listens: false,
    tracks: [] as RemoteTrack[],
    listen(rateHz: number | undefined) {
      client.listens = rateHz !== undefined;
    },
    remoteTracks: () => client.tracks,
    setKey() {},
    flush() {},
  };
  return client as unknown as SfuClient & typeof client;
};

const track = (trackId: string): RemoteTrack & { muted: boolean } => ({
  trackId,
  identity: trackId,
  muted: false,
  undecryptable: false,
});

const opusVoice = (frequencyHz: number): (() => Frame) => {
  const encoder = createOpusEncoder(16000);
  const tone = createTone(16000, frequencyHz);
  return () => ({ codec: "opus", payload: encoder.encode(tone(320)), lost: 0 });
};

/** A listener on a clock of its own, and what it hears tick by tick. */
const createWorld = () => {
  const clock = { nowMs: 0 };
  const listener = createListener(8000, () => clock.nowMs);
  const mixer = createMixer(160);
  return {
    clock,
    listener,
    /** 20 ms. */
    tick: (): Int16Array => {
      clock.nowMs += 20;
      mixer.clear();
      listener.mixInto(mixer);
      return mixer.without(undefined, undefined).slice();
    },
  };
};

const joined = (frames: readonly Int16Array[]): Int16Array => {
  const all = new Int16Array(frames.length * 160);
  frames.forEach((samples, i) => all.set(samples, i * 160));
  return all;
};

describe("listener", () => {
  test("hears Opus and G.711 in one mix, at the level they were sent with", () => {
    const { listener, tick } = createWorld();
    const client = createClient();
    listener.add(client);
    const [member, phone] = [track("member"), track("phone")];
    const voice = opusVoice(610);
    const tone = createTone(8000, 1130);
    const heard: Int16Array[] = [];
    for (let i = 0; i < 60; i++) {
      listener.onFrame(client, member, voice());
      listener.onFrame(client, phone, { codec: "alaw", payload: encodeG711("alaw", tone(160)), lost: 0 });
      heard.push(tick());
    }
    const mix = joined(heard.slice(10));
    const sent = 20 * Math.log10(6000 / 32768);
    expect(toneLevel(mix, 8000, 610)).toBeGreaterThan(sent - 1);
    expect(toneLevel(mix, 8000, 1130)).toBeGreaterThan(sent - 1);
    expect(listener.takeCounts()).toEqual({ lost: 0, dropped: 0 });
  });

  test("lost frames are counted and made up", () => {
    const { listener, tick } = createWorld();
    const client = createClient();
    listener.add(client);
    const member = track("member");
    const tone = createTone(8000, 210);
    const frames = Array.from({ length: 40 }, () => encodeG711("alaw", tone(160)));
    const heard: Int16Array[] = [];
    frames.forEach((payload, i) => {
      // The SFU client waits for a lost frame, so its follower comes together with the one after it.
      if (i === 20) return;
      listener.onFrame(client, member, { codec: "alaw", payload, lost: i === 21 ? 1 : 0 });
      if (i === 0) return; // One frame of delay.
      heard.push(tick());
    });
    expect(listener.takeCounts()).toEqual({ lost: 1, dropped: 0 });
    for (const samples of heard.slice(10)) expect(toneLevel(samples, 8000, 210)).toBeGreaterThan(-20);
  });

  test("a member that sends no frames on purpose (DTX) or is muted is not missed", () => {
    const { listener, tick } = createWorld();
    const client = createClient();
    listener.add(client);
    const [silent, muted] = [track("silent"), track("muted")];
    const voice = opusVoice(610);
    for (let i = 0; i < 10; i++) {
      listener.onFrame(client, silent, voice());
      listener.onFrame(client, muted, voice());
      tick();
    }
    listener.onFrame(client, silent, DTX);
    muted.muted = true;
    for (let i = 0; i < 100; i++) tick();
    expect(listener.takeCounts()).toEqual({ lost: 0, dropped: 0 });
    muted.muted = false;
    listener.onFrame(client, silent, voice());
    for (let i = 0; i < 5; i++) tick();
    expect(listener.takeCounts().lost).toBe(4);
  });

  test("after a stall nothing that piled up delays what follows", () => {
    const { clock, listener, tick } = createWorld();
    const client = createClient();
    listener.add(client);
    const member = track("member");
    let sentMs = 0;
    // Each frame is a level of its own, so that it is known again when it is heard.
    const levelOf = (ms: number): number => 400 + ((ms / 20) % 50) * 400;
    const send = (): void => {
      const samples = new Int16Array(160).fill(levelOf((sentMs += 20)));
      listener.onFrame(client, member, { codec: "slin", sampleRateHz: 8000, samples });
    };
    const delayMs = (): number => {
      send();
      const heard = tick()[80]!;
      const lagMs = [0, 20, 40, 60, 80, 100, 120].find((ms) => levelOf(sentMs - ms) === heard);
      return lagMs ?? Infinity;
    };
    for (let i = 0; i < 100; i++) delayMs();
    const before = delayMs();
    clock.nowMs += 300;
    listener.afterStall();
    for (let i = 0; i < 15; i++) send();
    for (let i = 0; i < 100; i++) delayMs();
    expect(delayMs()).toBe(before);
    expect(before).toBeLessThanOrEqual(20);
  });

  test("a planned hand-over waits for every track but silent ones, and leaves no gap", async () => {
    const { listener, tick } = createWorld();
    const [first, second] = [createClient(), createClient()];
    listener.add(first);
    listener.add(second);
    expect([first.listens, second.listens]).toEqual([true, false]);
    const voice = opusVoice(610);
    const [member, silent] = [track("member"), track("silent")];
    for (let i = 0; i < 20; i++) {
      listener.onFrame(first, member, voice());
      if (i < 5) listener.onFrame(first, silent, voice());
      if (i === 5) listener.onFrame(first, silent, DTX);
      tick();
    }
    const done = listener.handOver(first);
    expect([first.listens, second.listens]).toEqual([true, true]);
    const sameMember = track("member");
    const heard: Int16Array[] = [];
    for (let i = 0; i < 20; i++) {
      const frame = voice();
      listener.onFrame(first, member, frame);
      listener.onFrame(second, sameMember, frame);
      heard.push(tick());
      await Promise.resolve();
    }
    await done;
    expect([first.listens, second.listens]).toEqual([false, true]);
    expect(listener.takeCounts()).toEqual({ lost: 0, dropped: 0 });
    for (const samples of heard) expect(toneLevel(samples, 8000, 610)).toBeGreaterThan(-22);
  });

  test("frames of a connection that does not listen are not decoded", () => {
    const { listener, tick } = createWorld();
    const [first, second] = [createClient(), createClient()];
    listener.add(first);
    listener.add(second);
    for (let i = 0; i < 10; i++) listener.onFrame(second, track("member"), opusVoice(610)());
    expect(Math.max(...tick())).toBe(0);
  });
});
