import { describe, expect, test } from "@jest/globals";

import { decodeG711, G711 } from "../../../src/media/codecs/g711.ts";
import { createLevelMeter, isAudible, levelDbfs } from "../../../src/media/levels.ts";
import { createTone } from "../../support/media/tones.ts";

describe("levels", () => {
  test("a full-scale sine is -3 dBFS, silence is -Infinity", () => {
    expect(levelDbfs(createTone(8000, 1000, 32767)(160))).toBeCloseTo(-3, 1);
    expect(levelDbfs(new Int16Array(160))).toBe(-Infinity);
  });

  test("the idle pattern of A-law is not audible, a whisper is", () => {
    expect(isAudible(decodeG711("alaw", new Uint8Array(160).fill(G711.alaw.silence)))).toBe(false);
    expect(isAudible(createTone(8000, 500, 260)(160))).toBe(true);
  });

  test("the meter counts seconds, losses and the time since the last frame", () => {
    let nowMs = 1000;
    const meter = createLevelMeter(() => nowMs);
    expect(meter.stats()).toEqual({ signalSeconds: 0, silenceSeconds: 0, framesLost: 0, framesDropped: 0 });
    for (let i = 0; i < 50; i++) meter.measure(createTone(8000, 500)(160));
    for (let i = 0; i < 25; i++) meter.measure(new Int16Array(160));
    meter.lost(2);
    meter.dropped(3);
    nowMs = 1250;
    expect(meter.stats()).toEqual({
      signalSeconds: 1,
      silenceSeconds: 0.5,
      framesLost: 2,
      framesDropped: 3,
      lastFrameAgoMs: 250,
    });
  });
});
