import { describe, expect, test } from "@jest/globals";

import type { Frame } from "../../../src/media/frame.ts";
import { createOutgoingTrack } from "../../../src/media/outgoing-track.ts";
import type { SfuClient } from "../../../src/media/sfu/port.ts";

const VOICE: Frame = { codec: "alaw", payload: new Uint8Array(160), lost: 0 };

/** A track on a clock of its own: every 20 ms one tick, and the frames of the phone that have come by then. */
const createRun = () => {
  const time = { nowMs: 0 };
  const sent: ("voice" | "silence")[] = [];
  const gaps: number[] = [];
  const track = createOutgoingTrack(() => time.nowMs);
  const sfu: Partial<SfuClient> = {
    send: (frame) => {
      sent.push(frame.codec === "slin" ? "silence" : "voice");
      if (frame.codec !== "slin" && frame.lost > 0) gaps.push(frame.lost);
    },
    skip: () => {},
  };
  track.sfu = sfu as SfuClient;
  return {
    sent,
    gaps,
    track,
    /** Runs for some ticks with so many frames before each of them. */
    run: (ticks: number, framesPerTick = 1): void => {
      for (let i = 0; i < ticks; i++) {
        time.nowMs += 20;
        for (let frame = 0; frame < framesPerTick; frame++) track.send(VOICE);
        track.tick();
      }
    },
    wait: (ms: number): void => {
      time.nowMs += ms;
    },
  };
};

describe("outgoing track", () => {
  test("a phone that answers before the SFU has been joined is heard from its first frames on", () => {
    const { sent, run, wait } = createRun();
    wait(150);
    run(50);
    expect(sent.slice(-45)).toEqual(Array.from({ length: 45 }, () => "voice"));
  });

  test.each([3, 4, 5, 20])("%d lost packets cost no more than a few frames of what comes after them", (lost) => {
    const { sent, run } = createRun();
    run(50);
    run(lost, 0);
    run(50);
    expect(sent.slice(-46)).toEqual(Array.from({ length: 46 }, () => "voice"));
    // On time: as many frames as ticks, give or take the jitter that is allowed.
    expect(Math.abs(sent.length - (100 + lost))).toBeLessThanOrEqual(3);
  });

  test("packets that come late and all at once do not make the track late", () => {
    const { sent, run } = createRun();
    run(50);
    run(4, 0);
    run(1, 5);
    run(50);
    expect(sent.slice(-50)).toEqual(Array.from({ length: 50 }, () => "voice"));
    expect(Math.abs(sent.length - 105)).toBeLessThanOrEqual(3);
  });

  test("a gap that the leg tells of is passed on, and what follows is on time", () => {
    const { sent, gaps, run, wait, track } = createRun();
    run(50);
    const before = sent.length;
    wait(60);
    track.send({ ...VOICE, lost: 2 });
    run(50);
    expect(gaps).toEqual([2]);
    expect(sent.slice(before)).toEqual(Array.from({ length: 51 }, () => "voice"));
  });

  test("a gap that silence has filled already is not passed on again", () => {
    const { sent, gaps, run, track } = createRun();
    run(50);
    run(20, 0);
    track.send({ ...VOICE, lost: 20 });
    run(30);
    expect(gaps.reduce((sum, gap) => sum + gap, 0)).toBeLessThanOrEqual(1);
    expect(Math.abs(sent.length - 101)).toBeLessThanOrEqual(3);
  });

  test("a phone that says nothing is silence", () => {
    const { sent, run } = createRun();
    run(50, 0);
    expect(new Set(sent)).toEqual(new Set(["silence"]));
    expect(sent.length).toBeGreaterThan(45);
  });
});
