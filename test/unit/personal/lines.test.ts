import { expect, test } from "@jest/globals";
import { parseNumber } from "../../../src/numbering/parse.ts";
import { callLine } from "../../../src/personal/lines.ts";
import { NUMBER } from "../calls/fixtures.ts";

const EXTENSION = parseNumber("1002", { country: "FR", extensionPatterns: ["1XXX"] });
const times = { answeredAtMs: 1000, endedAtMs: 46_000 };

test.each([
  [
    { direction: "outbound", answeredAtMs: 1 },
    "Outgoing call, answered. The telephone side is not end-to-end encrypted.",
  ],
  [{ direction: "outbound", outcome: "completed", ...times }, "Outgoing call, 45 s."],
  [{ direction: "inbound", outcome: "completed", answeredAtMs: 0, endedAtMs: 3_900_000 }, "Incoming call, 1 h 5 min."],
  [
    { direction: "inbound", outcome: "media-failed", ...times },
    "Incoming call, 45 s: the audio could not be connected.",
  ],
  [{ direction: "outbound", outcome: "busy" }, "Outgoing call: the line is busy."],
  [{ direction: "outbound", outcome: "cancelled" }, "Outgoing call: it was cancelled."],
  [{ direction: "inbound", outcome: "declined" }, "Incoming call, declined."],
  [{ direction: "inbound", outcome: "cancelled" }, "Missed call."],
  [{ direction: "inbound", outcome: "no-answer" }, "Missed call."],
  [{ direction: "inbound", outcome: "busy" }, "Missed call: you were in another call."],
  [{ direction: "inbound", outcome: "not-permitted" }, "Missed call: phones may not call you."],
  [{ direction: "inbound", outcome: "no-answer", forwardedTo: EXTENSION }, "Missed call, forwarded to 1002."],
  [
    { direction: "inbound", outcome: "busy", forwardedTo: NUMBER },
    "Missed call: you were in another call, forwarded to +33*******70.",
  ],
  [{ direction: "outbound", outcome: "completed", forwardedFrom: NUMBER, ...times }, "Forwarded call, 45 s."],
  [{ direction: "inbound", outcome: "shutdown" }, "Missed call: the gateway is being stopped."],
  [{ direction: "inbound", outcome: "declined", caller: "Carol" }, "Incoming call from Carol, declined."],
  [{ direction: "inbound", outcome: "cancelled", caller: "Carol" }, "Missed call from Carol."],
] as const)("%j is written as %s", (facts, line) => {
  expect(callLine(facts)).toBe(line);
});
