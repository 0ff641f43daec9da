import { describe, expect, test } from "@jest/globals";

import { createAudioWatch } from "../../../src/media/audio-watch.ts";
import type { WorkerFact } from "../../../src/media/ipc.ts";

const createScene = () => {
  const time = { nowMs: 0 };
  const facts: WorkerFact[] = [];
  const watch = createAudioWatch(
    () => time.nowMs,
    (fact) => facts.push(fact),
  );
  return { time, facts, watch };
};

describe("audio watch", () => {
  test("the first audible frame of each direction is reported once", () => {
    const { facts, watch } = createScene();
    watch.restart();
    watch.heard("fromPhone");
    watch.heard("fromPhone");
    watch.heard("toPhone");
    expect(facts).toEqual([
      { type: "media.flowing", direction: "fromPhone" },
      { type: "media.flowing", direction: "toPhone" },
    ]);
  });

  test("ten seconds without anything are reported once, and again after audio came back", () => {
    const { time, facts, watch } = createScene();
    watch.restart();
    time.nowMs = 9_999;
    watch.check("fromPhone");
    expect(facts).toEqual([]);
    time.nowMs = 10_000;
    watch.check("fromPhone");
    watch.check("fromPhone");
    expect(facts).toEqual([{ type: "media.silent", direction: "fromPhone" }]);
    watch.fine("fromPhone");
    time.nowMs = 20_000;
    watch.check("fromPhone");
    expect(facts).toHaveLength(2);
  });

  test("the time before the bridge, and hold, do not count", () => {
    const { time, facts, watch } = createScene();
    time.nowMs = 60_000;
    watch.restart();
    watch.check("fromPhone");
    watch.check("toPhone");
    expect(facts).toEqual([]);
  });
});
