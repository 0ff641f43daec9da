import { describe, expect, test } from "@jest/globals";

import { encodeG711 } from "../../../../src/media/codecs/g711.ts";
import { createOpusEncoder } from "../../../../src/media/codecs/opus.ts";
import type { Frame } from "../../../../src/media/frame.ts";
import { decryptFrame, deriveFrameKey } from "../../../../src/media/sfu/light/frame-crypto.ts";
import { createOutgoing } from "../../../../src/media/sfu/light/outgoing.ts";
import { parseRtp, type RtpCodec } from "../../../../src/media/sfu/light/rtp.ts";
import { createTone } from "../../../support/media/tones.ts";

interface Sent {
  payloadType: number;
  sequence: number;
  timestamp: number;
  marker: boolean;
  level: number;
  payload: Uint8Array;
}

const createTrack = ({ encrypted = false, codec = "alaw" }: { encrypted?: boolean; codec?: RtpCodec } = {}) => {
  const sent: Sent[] = [];
  const reports: Buffer[] = [];
  const outgoing = createOutgoing({
    ssrc: 77,
    codec,
    encrypted,
    write: (packet) => {
      const copy = Buffer.from(packet);
      const parsed = parseRtp(copy);
      if (parsed === undefined) reports.push(copy);
      else {
        const { payloadType, sequence, payload } = parsed;
        const marker = (copy[1]! & 0x80) !== 0;
        sent.push({ payloadType, sequence, timestamp: copy.readUInt32BE(4), marker, level: copy[17]! & 0x7f, payload });
      }
    },
  });
  return { outgoing, sent, reports };
};

const tone = createTone(8000, 440, 8000);
const alaw = (): Frame => ({ codec: "alaw", payload: encodeG711("alaw", tone(160)), lost: 0 });
const slin = (samples: Int16Array): Frame => ({ codec: "slin", sampleRateHz: 16000, samples });

/** Steps from packet to packet on the circle of 32-bit timestamps. */
const steps = (sent: readonly Sent[]): number[] =>
  sent.slice(1).map(({ timestamp }, i) => (timestamp - sent[i]!.timestamp) >>> 0);

describe("what is sent", () => {
  test("G.711 is passed on byte for byte, with its level", () => {
    const { outgoing, sent } = createTrack();
    const frame = alaw();
    outgoing.send(frame);
    // A sine of 8000 of 32768 has -15.3 dBov.
    expect(sent).toMatchObject([{ payloadType: 8, marker: true, level: 15 }]);
    expect(sent[0]!.payload).toEqual(frame.codec === "alaw" ? frame.payload : undefined);
  });

  test("samples are encoded once, silence is not", () => {
    const { outgoing, sent } = createTrack({ codec: "opus" });
    const silence = slin(new Int16Array(320));
    outgoing.send(silence);
    outgoing.send(slin(createTone(16000, 440)(320)));
    expect(sent.map(({ payloadType, level }) => [payloadType, level === 127])).toEqual([
      [111, true],
      [111, false],
    ]);
    expect(Buffer.from(sent[0]!.payload).toString("hex")).toBe("f8fffe");
  });

  test("every frame goes out in the one codec of the track, in its ticks", () => {
    const encoder = createOpusEncoder(16000);
    const opus = (): Frame => ({
      codec: "opus",
      payload: encoder.encode(createTone(16000, 440)(320)).slice(),
      lost: 0,
    });
    const frames = [alaw(), slin(new Int16Array(320)), slin(createTone(16000, 440)(320)), opus()];
    const run = (codec: RtpCodec): Sent[] => {
      const { outgoing, sent } = createTrack({ codec });
      for (const frame of frames) outgoing.send(frame);
      return sent;
    };
    const ulaw = run("ulaw");
    expect(ulaw.map(({ payloadType, payload }) => [payloadType, payload.length])).toEqual(frames.map(() => [0, 160]));
    expect(new Set(ulaw[1]!.payload)).toEqual(new Set([0xff]));
    expect(steps(ulaw)).toEqual([160, 160, 160]);
    expect(steps(run("opus"))).toEqual([960, 960, 960]);
    // What is not silence is not silence afterwards: louder than -30 dBov in every codec.
    for (const codec of ["alaw", "ulaw", "opus"] as const) {
      expect(run(codec).map(({ level }) => level < 30)).toEqual([true, false, true, true]);
    }
  });

  test("frames that are skipped, and those while muted, leave a gap in time and none in the numbers", () => {
    const { outgoing, sent } = createTrack();
    outgoing.send(alaw());
    outgoing.skip(10);
    outgoing.send(alaw());
    outgoing.setMuted(true);
    outgoing.send(alaw());
    outgoing.setMuted(false);
    outgoing.send(alaw());
    expect(steps(sent)).toEqual([11 * 160, 2 * 160]);
    expect(sent.map(({ sequence }) => sequence - sent[0]!.sequence)).toEqual([0, 1, 2]);
    expect(sent.map(({ marker }) => marker)).toEqual([true, true, true]);
  });

  test("in an encrypted room nothing leaves in clear, and nothing without a key", () => {
    const { outgoing, sent } = createTrack({ encrypted: true });
    const frame = alaw();
    outgoing.send(frame);
    expect(sent).toEqual([]);
    const key = deriveFrameKey(Buffer.alloc(16, 1));
    outgoing.setKey(key, 9);
    outgoing.send(frame);
    expect(sent[0]!.payload.at(-1)).toBe(9);
    expect(decryptFrame(sent[0]!.payload, () => key)).toEqual(frame.codec === "alaw" ? frame.payload : undefined);
  });

  test("frames that are empty or longer than Opus allows are left out", () => {
    const { outgoing, sent } = createTrack({ codec: "opus" });
    outgoing.send({ codec: "opus", payload: new Uint8Array(), lost: 0 });
    outgoing.send({ codec: "opus", payload: new Uint8Array(1276), lost: 0 });
    expect(sent).toEqual([]);
  });

  test("a sender report comes with the first packet and every 5 s", () => {
    const { outgoing, reports } = createTrack();
    for (let i = 0; i < 501; i++) outgoing.send(alaw());
    expect(reports).toHaveLength(3);
    expect(reports[2]!.readUInt32BE(20)).toBe(501);
    expect(reports[2]!.readUInt32BE(4)).toBe(77);
  });
});
