import { describe, expect, test } from "@jest/globals";

import { decodeG711, encodeG711 } from "../../../src/media/codecs/g711.ts";
import { createOpusEncoder } from "../../../src/media/codecs/opus.ts";
import type { Frame } from "../../../src/media/frame.ts";
import type { Leg } from "../../../src/media/legs/port.ts";
import { createMixer } from "../../../src/media/mixer.ts";
import { createPhone } from "../../../src/media/phone.ts";
import { promptFrames } from "../../../src/media/prompts.ts";
import type { SfuClient } from "../../../src/media/sfu/port.ts";
import { createTone, toneLevel } from "../../support/media/tones.ts";

const IDLE = { somebodyTalks: false, lost: 0, dropped: 0 };

/** A bridged phone on a clock of its own; `published`: what went to the SFU, `heard`: to the phone, `mix`: to the others here. */
const createWorld = (isHeardHere: boolean, isBridged = true) => {
  const clock = { nowMs: 0 };
  const published: Frame[] = [];
  const heard: Frame[] = [];
  const mix: number[] = [];
  const copy = (frame: Frame): Frame =>
    frame.codec === "slin"
      ? { ...frame, samples: frame.samples.slice() }
      : { ...frame, payload: frame.payload.slice() };
  const phone = createPhone({ nowMs: () => clock.nowMs, isHeardHere: () => isHeardHere, onFact: () => {} });
  const leg: Partial<Leg> = {
    format: { codec: "alaw" },
    send: (frame) => heard.push(copy(frame)),
    takeDropped: () => 0,
  };
  phone.leg = leg as Leg;
  const sfu: Partial<SfuClient> = { send: (frame) => published.push(copy(frame)), skip: () => {} };
  phone.track.sfu = sfu as SfuClient;
  phone.setRate(8000);
  if (isBridged) phone.bridge();
  const mixer = createMixer(160);
  return {
    phone,
    published,
    heard,
    mix,
    run: (frames: readonly (Frame | undefined)[]): void => {
      for (const frame of frames) {
        clock.nowMs += 20;
        if (frame !== undefined) phone.onLegFrame(frame);
        mixer.clear();
        phone.speakInto(mixer);
        mix.push(...mixer.without(undefined, undefined));
        phone.hear(mixer, IDLE);
      }
    },
  };
};

const alawTone = (count: number): Frame[] => {
  const tone = createTone(8000, 440);
  return Array.from({ length: count }, () => ({ codec: "alaw", payload: encodeG711("alaw", tone(160)), lost: 0 }));
};

describe("phone", () => {
  test.each([true, false])("its G.711 frames are published as they are (heard by another phone: %s)", (isHeardHere) => {
    const { run, published } = createWorld(isHeardHere);
    const frames = alawTone(30);
    run(frames);
    expect(published.slice(-30)).toEqual(frames);
  });

  test("its voice is in the mix when another phone hears it", () => {
    const { run, mix, phone } = createWorld(true);
    run(alawTone(50));
    expect(toneLevel(Int16Array.from(mix.slice(1600)), 8000, 440)).toBeCloseTo(20 * Math.log10(6000 / 32768), 0);
    expect(phone.stats(0).fromPhone).toMatchObject({ signalSeconds: 1, silenceSeconds: 0, framesLost: 0 });
  });

  test("alone it is metered all the same, and nothing is mixed", () => {
    const { run, mix, phone } = createWorld(false);
    run([...alawTone(50), ...alawTone(25).map((frame) => ({ ...frame, payload: new Uint8Array(160).fill(0xd5) }))]);
    expect(mix.every((sample) => sample === 0)).toBe(true);
    expect(phone.stats(0).fromPhone).toMatchObject({ signalSeconds: 1, silenceSeconds: 0.5, framesLost: 0 });
  });

  test("Opus of a leg is published as it is, and decoded for the mix and the meters", () => {
    const { run, mix, phone, published } = createWorld(true);
    const encoder = createOpusEncoder(16000);
    const tone = createTone(16000, 440);
    const frames = Array.from({ length: 50 }, (): Frame => ({
      codec: "opus",
      payload: encoder.encode(tone(320)),
      lost: 0,
    }));
    run(frames);
    expect(published.slice(-50)).toEqual(frames.map((frame) => ({ ...frame })));
    expect(toneLevel(Int16Array.from(mix.slice(1600)), 8000, 440)).toBeGreaterThan(-16);
    expect(phone.stats(0).fromPhone.signalSeconds).toBeGreaterThan(0.9);
  });

  test("what does not come is concealed for the others, and counted", () => {
    const { run, mix, phone } = createWorld(true);
    const frames: (Frame | undefined)[] = alawTone(50);
    frames[30] = undefined;
    run(frames);
    expect(toneLevel(Int16Array.from(mix.slice(30 * 160, 31 * 160)), 8000, 440)).toBeGreaterThan(-22);
    expect(phone.stats(0).fromPhone.framesLost).toBe(1);
  });

  test("before the path is open it hears what it is asked, and nothing else passes", () => {
    const { run, heard, published, phone } = createWorld(false, false);
    run(alawTone(5));
    expect(heard).toEqual([]);
    phone.prompt("invited");
    const words = promptFrames("invited", { language: "en" }, 8000);
    run(alawTone(words.length + 10));
    expect(heard).toHaveLength(words.length);
    expect(published.filter((frame) => frame.codec === "alaw")).toEqual([]);
  });

  test("who has been there for two seconds hears others come and go; who is spoken to does not", () => {
    const { run, heard, phone } = createWorld(false);
    const level = (frequencyHz: number): number => {
      const samples = heard.flatMap((frame) => (frame.codec === "alaw" ? [...decodeG711("alaw", frame.payload)] : []));
      heard.length = 0;
      return toneLevel(Int16Array.from(samples.slice(0, 720)), 8000, frequencyHz);
    };
    const tone = (name: "joined" | "left"): void => {
      phone.arrival(name);
      run(alawTone(10));
    };
    run(alawTone(80));
    heard.length = 0;
    tone("joined");
    expect(level(1245)).toBeLessThan(-40);
    run(alawTone(20));
    heard.length = 0;
    tone("joined");
    expect(level(1245)).toBeGreaterThan(-20);
    tone("left");
    expect(level(1661)).toBeGreaterThan(-20);
    phone.prompt("help");
    const words = promptFrames("help", { language: "en" }, 8000);
    tone("left");
    expect(heard).toEqual(
      words.slice(0, 10).map((frame) => ({ codec: "alaw", payload: encodeG711("alaw", frame), lost: 0 })),
    );
  });

  test("what it hears is encoded for its leg", () => {
    const { run, heard } = createWorld(false);
    run(alawTone(10));
    expect(heard).toHaveLength(10);
    expect(heard.every((frame) => frame.codec === "alaw" && frame.payload.length === 160)).toBe(true);
  });
});
