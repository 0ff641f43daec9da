import { execFileSync } from "node:child_process";

import { describe, expect, test } from "@jest/globals";

import { createOpusDecoder, createOpusEncoder, isOpusDtx } from "../../../../src/media/codecs/opus.ts";
import { createDecoder } from "../../../../src/media/codecs/transcode.ts";
import type { SampleRateHz } from "../../../../src/media/frame.ts";
import { levelDbfs } from "../../../../src/media/levels.ts";
import { createTone, toneLevel } from "../../../support/media/tones.ts";

const TONE_HZ = 440;

/** Packets of a tone, from a wideband encoder. */
const tonePackets = (count: number, frequencyHz = TONE_HZ): Uint8Array[] => {
  const encoder = createOpusEncoder(16000);
  const tone = createTone(16000, frequencyHz);
  return Array.from({ length: count }, () => encoder.encode(tone(320)));
};

/** A voice of 125 Hz that speaks for 160 ms and is silent for 80 ms: what an encoder takes for speech. */
const speechPackets = (count: number): Uint8Array[] => {
  const encoder = createOpusEncoder(16000);
  let filtered = 0;
  let at = 0;
  return Array.from({ length: count }, (_, frame) => {
    const samples = new Int16Array(320);
    for (let i = 0; i < samples.length; i++, at++) {
      const pulse = at % 128 === 0 && frame % 12 < 8 ? 16_000 : 0;
      filtered = 0.85 * filtered + pulse;
      samples[i] = Math.round(filtered + 40 * Math.sin(at * at));
    }
    return encoder.encode(samples);
  });
};

const join = (parts: readonly Int16Array[]): Int16Array => {
  const all = new Int16Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
};

/** Decodes all packets but the lost ones; the made-up frames stand where the lost ones were. */
const decodeWithout = (
  packets: readonly Uint8Array[],
  isLost: (i: number) => boolean,
  rateHz: SampleRateHz = 16000,
) => {
  const decoder = createOpusDecoder(rateHz);
  const parts: Int16Array[] = [];
  let lost = 0;
  packets.forEach((packet, i) => {
    if (isLost(i)) lost += 1;
    else {
      parts.push(decoder.decode(packet, lost)!.slice());
      lost = 0;
    }
  });
  return join(parts);
};

/** Signal to error, in dB. */
const similarity = (heard: Int16Array, reference: Int16Array): number => {
  let signal = 0;
  let error = 0;
  reference.forEach((value, i) => {
    signal += value ** 2;
    error += (value - heard[i]!) ** 2;
  });
  return 10 * Math.log10(signal / (error + 1));
};

describe("Opus", () => {
  test.each([8000, 16000] as const)("a tone keeps frequency and level at %d Hz", (rateHz) => {
    const heard = decodeWithout(tonePackets(50), () => false, rateHz).subarray(rateHz / 5);
    expect(toneLevel(heard, rateHz, TONE_HZ)).toBeCloseTo(20 * Math.log10(6000 / 32768), 0);
    expect(toneLevel(heard, rateHz, 1000)).toBeLessThan(-50);
  });

  test("wideband is kept: 6 kHz come through at 16 kHz", () => {
    const heard = decodeWithout(tonePackets(50, 6000), () => false).subarray(3200);
    expect(toneLevel(heard, 16000, 6000)).toBeGreaterThan(-20);
  });

  test("a lost frame is made up from the FEC in the next packet", () => {
    const packets = speechPackets(120);
    const reference = decodeWithout(packets, () => false);
    const isLost = (i: number): boolean => i > 20 && i % 6 === 3;
    const repaired = decodeWithout(packets, isLost);
    expect(repaired.length).toBe(reference.length);
    // A packet without data is concealed (RFC 6716, section 2.1.7), which is all there is without FEC.
    const decoder = createOpusDecoder(16000);
    const concealed = packets.map((packet, i) =>
      decoder.decode(isLost(i) ? Uint8Array.of(packet[0]! & 0xfc) : packet, 0)!.slice(),
    );
    const [withFec, without] = [similarity(repaired, reference), similarity(join(concealed), reference)];
    expect(withFec).toBeGreaterThan(without + 6);
  });

  test("several lost frames keep the time, and fade instead of going on", () => {
    const packets = tonePackets(60);
    const heard = decodeWithout(packets, (i) => i >= 30 && i < 35, 8000);
    expect(heard.length).toBe(60 * 160);
    expect(levelDbfs(heard.subarray(30 * 160, 31 * 160))).toBeGreaterThan(-40);
    expect(levelDbfs(heard.subarray(33 * 160, 34 * 160))).toBeLessThan(-30);
  });

  test("a longer gap than is worth making up is cut to 100 ms", () => {
    const [first, second] = tonePackets(2);
    const decoder = createOpusDecoder(8000);
    decoder.decode(first!, 0);
    expect(decoder.decode(second!, 40)?.length).toBe(6 * 160);
  });

  test.each([
    ["nothing", new Uint8Array(0)],
    ["an impossible frame count", Uint8Array.of(255, 255, 255)],
    ["more than a packet can hold", new Uint8Array(20_000).fill(1)],
  ])("%s is refused, and the decoder goes on", (_, broken) => {
    const decoder = createOpusDecoder(8000);
    expect(decoder.decode(broken, 1)).toBeUndefined();
    expect(decoder.decode(tonePackets(1)[0]!, 0)?.length).toBe(160);
  });

  test("noise in place of packets never throws and never gives more than a packet can hold", () => {
    const decoder = createOpusDecoder(16000);
    for (let i = 0; i < 2000; i++) {
      const packet = crypto.getRandomValues(new Uint8Array(1 + (i % 300)));
      const samples = decoder.decode(packet, i % 4);
      expect(samples === undefined || samples.length <= 1920 + 3 * 320).toBe(true);
    }
  });

  test("packets of DTX are known by their size", () => {
    expect(isOpusDtx(Uint8Array.of(0x78))).toBe(true);
    expect(tonePackets(3).some(isOpusDtx)).toBe(false);
  });
});

test("outside of Jest the encoder is the native one, and its packets are heard", () => {
  const program = `
    import { createOpusDecoder, createOpusEncoder } from "./src/media/codecs/opus.ts";
    const encoder = createOpusEncoder(16000);
    const samples = Int16Array.from({ length: 320 }, (_, i) => 6000 * Math.sin(i / 5));
    const decoder = createOpusDecoder(16000);
    for (let i = 0; i < 5; i++) decoder.decode(encoder.encode(samples), 0);
    const loudest = Math.max(...decoder.decode(encoder.encode(samples), 0));
    const native = process.report.getReport().sharedObjects.some((file) => file.includes("@evan/opus"));
    console.log(JSON.stringify({ native, loudest }));`;
  const { OPUS_FORCE_WASM: _, ...env } = process.env;
  const said = execFileSync(process.execPath, ["--input-type=module", "-e", program], { env, encoding: "utf8" });
  const { native, loudest } = JSON.parse(said) as { native: boolean; loudest: number };
  expect(native).toBe(true);
  expect(loudest).toBeGreaterThan(4000);
});

describe("frames out of Opus packets", () => {
  /** Two frames of 20 ms in one packet (RFC 6716, section 3.2.3). */
  const twoInOne = (first: Uint8Array, second: Uint8Array): Uint8Array => {
    const [a, b] = [first.subarray(1), second.subarray(1)];
    if (a.length >= 252) throw new Error("one length byte is too short");
    return Uint8Array.of((first[0]! & 0xfc) | 2, a.length, ...a, ...b);
  };

  test("one packet gives as many frames of 20 ms as it holds, after those that were lost", () => {
    const packets = tonePackets(6);
    const decode = createDecoder(8000);
    const lengthsOf = (payload: Uint8Array, lost: number) =>
      decode({ codec: "opus", payload, lost }).map((samples) => samples?.length);
    expect(lengthsOf(packets[0]!, 0)).toEqual([160]);
    expect(lengthsOf(twoInOne(packets[1]!, packets[2]!), 0)).toEqual([160, 160]);
    expect(lengthsOf(packets[5]!, 2)).toEqual([160, 160, 160]);
  });

  test("packets of 10 ms become frames of 20 ms", () => {
    const decode = createDecoder(8000);
    // SILK, 10 ms, without data: what libopus conceals with is not what is looked at here.
    const payload = Uint8Array.of(0x40);
    const lengths = Array.from({ length: 4 }, () => decode({ codec: "opus", payload, lost: 0 }).length);
    expect(lengths).toEqual([0, 1, 0, 1]);
  });

  test("a lost G.711 frame is left to the frame queue", () => {
    const decode = createDecoder(8000);
    const frames = decode({ codec: "alaw", payload: new Uint8Array(160).fill(0xd5), lost: 2 });
    expect(frames.map((samples) => samples?.length)).toEqual([undefined, undefined, 160]);
  });
});
