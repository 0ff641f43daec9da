import { describe, expect, test } from "@jest/globals";
import { assert, integer, property } from "fast-check";

import { decodeG711, encodeG711, G711, type G711Law } from "../../../../src/media/codecs/g711.ts";

const roundTrip = (law: G711Law, sample: number): number => decodeG711(law, encodeG711(law, Int16Array.of(sample)))[0]!;

describe("G.711", () => {
  test("has the values of the standard's tables", () => {
    // ITU-T G.711 table 1a (A-law, even bits inverted) and 2a (µ-law), scaled to 16 bits.
    expect(Array.from(decodeG711("alaw", Uint8Array.of(0xd5, 0x55, 0x80, 0xaa, 0x2a)))).toEqual([
      8, -8, 5504, 32256, -32256,
    ]);
    expect(Array.from(decodeG711("ulaw", Uint8Array.of(0xff, 0x7f, 0x80, 0x00)))).toEqual([0, 0, 32124, -32124]);
    expect(G711.alaw.silence).toBe(0xd5);
    expect(G711.ulaw.silence).toBe(0xff);
  });

  test.each(["alaw", "ulaw"] as const)("every %s code survives decoding and encoding", (law) => {
    for (let code = 0; code < 256; code++) {
      const sample = G711[law].decode[code]!;
      expect(G711[law].decode[G711[law].encode[sample & 0xffff]!]).toBe(sample);
    }
  });

  test.each(["alaw", "ulaw"] as const)("%s is off by 4 %% at most, and keeps the sign", (law) => {
    assert(
      property(integer({ min: -32768, max: 32767 }), (sample) => {
        const decoded = roundTrip(law, sample);
        expect(Math.abs(decoded - sample)).toBeLessThanOrEqual(Math.max(16, Math.abs(sample) * 0.04));
        expect(decoded === 0 || Math.abs(sample) < 16 || Math.sign(decoded) === Math.sign(sample)).toBe(true);
      }),
    );
  });
});
