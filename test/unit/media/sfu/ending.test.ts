import { beforeEach, expect, test } from "@jest/globals";

import { createEnding, type Ending } from "../../../../src/media/sfu/light/ending.ts";
import { createManualClock, type ManualClock } from "../../../support/media/manual-clock.ts";

let clock: ManualClock;
let ending: Ending;
let reasons: string[];
beforeEach(() => {
  clock = createManualClock();
  reasons = [];
  ending = createEnding(clock, ({ kind, message }) => reasons.push(`${kind}: ${message}`));
});

test("the first reason counts, and is said once", () => {
  ending.end({ kind: "gone", message: "removed" });
  ending.end({ kind: "broken", message: "no answer" });
  ending.endUnlessExplained("media gone");
  clock.advance(5000);
  expect(reasons).toEqual(["gone: removed"]);
  expect(ending.reason).toEqual({ kind: "gone", message: "removed" });
});

test("media that is gone waits a second for what the server says", () => {
  ending.endUnlessExplained("media gone");
  clock.advance(999);
  ending.end({ kind: "gone", message: "removed" });
  clock.advance(5000);
  expect(reasons).toEqual(["gone: removed"]);
});

test("media that is gone without a word is a broken connection", () => {
  ending.endUnlessExplained("media gone");
  ending.endUnlessExplained("media gone again");
  clock.advance(1000);
  expect(reasons).toEqual(["broken: media gone"]);
});

test("who ends it himself hears nothing", () => {
  ending.endUnlessExplained("media gone");
  ending.close();
  clock.advance(5000);
  ending.end({ kind: "gone", message: "removed" });
  expect([reasons, ending.reason]).toEqual([[], undefined]);
});
