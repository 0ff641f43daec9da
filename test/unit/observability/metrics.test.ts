import { describe, expect, test } from "@jest/globals";
import type { CallRecord, CallStateName } from "../../../src/calls/ports.ts";
import { callId, type E164, ghostUserId, legId, roomId, trunkId } from "../../../src/ids.ts";
import type { Log, LogFields } from "../../../src/log.ts";
import { createCallObserver } from "../../../src/observability/call-observer.ts";
import { createMetrics } from "../../../src/observability/metrics.ts";
import { runChecks } from "../../../src/observability/startup-checks.ts";

const recordingLog = (): { readonly log: Log; readonly lines: (readonly [string, LogFields, string])[] } => {
  const lines: (readonly [string, LogFields, string])[] = [];
  const line = (level: string) => (fields: LogFields, message: string) => void lines.push([level, fields, message]);
  const log: Log = {
    debug: line("debug"),
    info: line("info"),
    warn: line("warn"),
    error: line("error"),
    child: () => log,
  };
  return { log, lines };
};

const TRUNK = trunkId("xivo");

const call = (state: CallStateName, change: Partial<CallRecord> = {}): CallRecord => ({
  callId: callId("c1"),
  legId: legId("c1-1"),
  direction: "outbound",
  roomId: roomId("!room:example.org"),
  ghost: ghostUserId("@tel_+33140506070:example.org"),
  number: { kind: "e164", e164: "+33140506070" as E164, class: "national" },
  subject: { kind: "token", name: "crm" },
  state,
  createdAtMs: 1000,
  ...change,
});

const sample = async (metrics: ReturnType<typeof createMetrics>, series: string): Promise<number | undefined> => {
  const line = (await metrics.text()).split("\n").find((text) => text.startsWith(`mrtc_sip_gateway_${series} `));
  return line === undefined ? undefined : Number(line.split(" ").at(-1));
};

describe("calls", () => {
  test("a call counts as active until it has ended, and each state's time is measured", async () => {
    const metrics = createMetrics();
    let nowMs = 1000;
    const observer = createCallObserver({ metrics, log: recordingLog().log, nowMs: () => nowMs });
    expect(await sample(metrics, 'calls_active{direction="outbound"}')).toBe(0);
    nowMs = 1100;
    observer.transition(call("alerting"), "call.start", TRUNK);
    expect(await sample(metrics, 'calls_active{direction="outbound"}')).toBe(1);
    nowMs = 4100;
    observer.transition(call("connecting"), "leg.answered", TRUNK);
    nowMs = 4200;
    observer.transition(call("active"), "media.bridged", TRUNK);
    nowMs = 64_200;
    observer.transition(call("ending"), "leg.ended", TRUNK);
    observer.transition(call("ended", { outcome: "completed" }), "released", TRUNK);
    expect(await sample(metrics, 'calls_active{direction="outbound"}')).toBe(0);
    expect(await sample(metrics, 'calls_ended_total{direction="outbound",outcome="completed",trunk="xivo"}')).toBe(1);
    expect(await sample(metrics, 'call_stage_seconds_sum{stage="routing"}')).toBeCloseTo(0.1);
    expect(await sample(metrics, 'call_stage_seconds_sum{stage="alerting"}')).toBeCloseTo(3);
    expect(await sample(metrics, 'call_stage_seconds_sum{stage="active"}')).toBeCloseTo(60);
  });

  test("a call that fails at once is counted once and leaves nothing active", async () => {
    const metrics = createMetrics();
    const observer = createCallObserver({ metrics, log: recordingLog().log });
    observer.transition(call("ended", { outcome: "trunk-failed" }), "leg.ended", TRUNK);
    expect(await sample(metrics, 'calls_ended_total{direction="outbound",outcome="trunk-failed",trunk="xivo"}')).toBe(
      1,
    );
    expect(await sample(metrics, 'calls_active{direction="outbound"}')).toBe(0);
  });

  test("silence is a warning with the number masked, and a metric", async () => {
    const metrics = createMetrics();
    const { log, lines } = recordingLog();
    const observer = createCallObserver({ metrics, log, nowMs: () => 3000 });
    observer.audio(call("active", { answeredAtMs: 2800 }), { type: "media.flowing", direction: "toPhone" });
    observer.audio(call("active"), { type: "media.silent", direction: "fromPhone" });
    expect(lines.map(([level]) => level)).toEqual(["info", "warn"]);
    expect(lines[0]?.[1]).toMatchObject({ direction: "toPhone", afterAnswerMs: 200 });
    expect(JSON.stringify(lines)).not.toContain("+33140506070");
    expect(await sample(metrics, 'call_silent_total{direction="fromPhone"}')).toBe(1);
  });
});

test("counters of the other parts", async () => {
  const metrics = createMetrics();
  metrics.rtc("media-key.plain");
  metrics.rtc("media-key.undelivered");
  metrics.rtc("member.unreadable");
  metrics.rtc("member.foreign-sender");
  metrics.malformedEvents(3);
  metrics.callAudio("toPhone", { signalSeconds: 2.5, silenceSeconds: 1, framesLost: 4, framesDropped: 5 });
  expect(await sample(metrics, 'media_keys_refused_total{reason="plain"}')).toBe(1);
  expect(await sample(metrics, "media_keys_undelivered_total")).toBe(1);
  expect(await sample(metrics, "unreadable_members_total")).toBe(1);
  expect(await sample(metrics, 'memberships_refused_total{reason="foreign-sender"}')).toBe(1);
  expect(await sample(metrics, "events_malformed_total")).toBe(3);
  expect(await sample(metrics, 'call_audio_signal_seconds_total{direction="toPhone"}')).toBe(2.5);
  expect(await sample(metrics, 'media_frames_dropped_total{direction="toPhone"}')).toBe(5);
});

test("two gateways in one process do not share metrics", async () => {
  const [one, two] = [createMetrics(), createMetrics()];
  one.transaction();
  expect(await sample(one, "transactions_total")).toBe(1);
  expect(await sample(two, "transactions_total")).toBe(0);
});

describe("checks at start", () => {
  test("one line each in their order, with the fix where one failed", async () => {
    const { log, lines } = recordingLog();
    const results = await runChecks(
      [
        { name: "homeserver", run: async () => ({ ok: true, text: "Synapse 1.163, 12 ms" }) },
        { name: "trunk xivo", run: async () => ({ ok: false, text: "unreachable", fix: "Check pjsip.conf" }) },
        { name: "sfu", run: () => Promise.reject(new Error("connection refused")) },
      ],
      { log },
    );
    expect(results.map(({ ok }) => ok)).toEqual([true, false, false]);
    expect(lines.map(([level, , message]) => `${level} ${message}`)).toEqual([
      "info homeserver: Synapse 1.163, 12 ms",
      "error trunk xivo: unreachable. Check pjsip.conf",
      "error sfu: connection refused",
    ]);
  });

  test("one that hangs does not hold up the start", async () => {
    const { log } = recordingLog();
    const [result] = await runChecks([{ name: "ari", run: () => new Promise(() => {}) }], { log, timeoutMs: 20 });
    expect(result).toMatchObject({ ok: false, text: "no answer within 0.02 s" });
  });
});
