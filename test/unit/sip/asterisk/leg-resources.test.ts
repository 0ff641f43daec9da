import { expect, test } from "@jest/globals";

import { mediaCodecFor } from "../../../../src/sip/asterisk/leg-resources.ts";

test.each([
  ["(alaw)", "alaw", "alaw"],
  ["(ulaw)", "alaw", "ulaw"],
  ["(ulaw|alaw)", "alaw", "alaw"],
  ["(g722)", "alaw", "slin16"],
  ["(g722)", "slin16", "slin16"],
  ["(alaw)", "slin16", "alaw"],
  ["(opus)", "alaw", "alaw"],
  ["(nothing)", "ulaw", "ulaw"],
] as const)("a phone with %s and media with %s: the media gets %s", (formats, current, expected) => {
  expect(mediaCodecFor(formats, current)).toBe(expected);
});
