import { describe, expect, test } from "@jest/globals";
import { assert, integer, nat, property } from "fast-check";

import { amplify, createMixer, softLimit } from "../../../src/media/mixer.ts";

describe("mixer", () => {
  test("everybody gets the others, and a prompt on top", () => {
    const mixer = createMixer(2);
    const voices = [Int16Array.of(100, -100), Int16Array.of(20, 20), Int16Array.of(3, 0)];
    for (const voice of voices) mixer.add(voice);
    expect([...mixer.without(voices[0], undefined)]).toEqual([23, 20]);
    expect([...mixer.without(voices[1], undefined)]).toEqual([103, -100]);
    expect([...mixer.without(undefined, Int16Array.of(1000, 0))]).toEqual([1123, -80]);
    mixer.clear();
    expect([...mixer.without(undefined, undefined)]).toEqual([0, 0]);
  });

  test("what is made louder is bent as well, what is made quieter is only less", () => {
    const samples = Int16Array.of(100, -1000, 30_000);
    amplify(samples, 2);
    expect([...samples]).toEqual([200, -2000, softLimit(60_000)]);
    amplify(samples, 0.5);
    expect(samples[1]).toBe(-1000);
  });

  test("the sum is bent, never cut or wrapped: it stays in order and within 16 bits", () => {
    assert(
      property(integer({ min: -2_000_000, max: 2_000_000 }), nat(10_000), (value, more) => {
        expect(Math.abs(softLimit(value))).toBeLessThanOrEqual(32767);
        expect(softLimit(value + more)).toBeGreaterThanOrEqual(softLimit(value));
        expect(softLimit(-value) + softLimit(value)).toBe(0);
      }),
    );
    expect(softLimit(20_000)).toBe(20_000);
  });
});
