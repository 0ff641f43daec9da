import { type Frame, samplesPerFrame } from "./frame.ts";
import type { SfuClient } from "./sfu/port.ts";
import { createTrackClock } from "./track-clock.ts";

/** Ticks without a voice after which the track gets silence: without packets the SFU does not even show it. */
const TICKS_BEFORE_SILENCE = 5;
/** Frames that are only late come at once; when those of one tick after the other are late, others were lost before them. */
const TICKS_BEFORE_LOST = 2;
/** After a stall: time in which all that waited in the leg's socket has been read. */
const BACKLOG_MS = 10;

const SILENCE: Frame = { codec: "slin", sampleRateHz: 16000, samples: new Int16Array(samplesPerFrame(16000)) };

/** What a phone sends to the SFU: its voice, silence where there is none, and never anything late. */
export interface OutgoingTrack {
  sfu: SfuClient | undefined;
  /** A frame of the phone; false when it came too late (or too early) to be heard, then it is lost. */
  send(frame: Frame): boolean;
  tick(): void;
  /** This process was stopped: what waits is dropped, and the track goes on at the present. */
  afterStall(): void;
}

export const createOutgoingTrack = (nowMs: () => number): OutgoingTrack => {
  const clock = createTrackClock(nowMs);
  let ticksSinceVoice = 0;
  let ticksLate = 0;
  let hasLateFrame = false;
  let discardUntilMs = 0;
  /** True after a stall, until the track's clock is right again. */
  let behind = false;

  const sendFrame = (frame: Frame): void => {
    track.sfu?.send(frame);
    clock.sent();
  };
  /** A gap that the leg brought is passed on as one, as far as silence has not filled it: the receivers conceal it, by FEC if there is some. */
  const withGap = (frame: Frame): Frame => {
    if (frame.codec === "slin" || frame.lost === 0) return frame;
    const lost = Math.max(0, Math.min(frame.lost, clock.owed()));
    for (let i = 0; i < lost; i++) clock.sent();
    return { ...frame, lost };
  };
  /** A late frame is lost for the receivers: one that they got late, even if it were silence, would make their jitter buffers grow. */
  const leaveOut = (): void => {
    hasLateFrame = true;
    track.sfu?.skip(1);
    clock.sent();
  };
  const catchUp = (): void => {
    if (nowMs() < discardUntilMs) return;
    behind = false;
    track.sfu?.skip(clock.makeUp());
  };

  const track: OutgoingTrack = {
    sfu: undefined,
    send(frame) {
      ticksSinceVoice = 0;
      if (behind) catchUp();
      if (behind) return false;
      const voice = withGap(frame);
      const verdict = clock.judge();
      if (verdict === "send") sendFrame(voice);
      else if (verdict === "late") leaveOut();
      return verdict === "send";
    },
    tick() {
      ticksSinceVoice += 1;
      const isSilent = ticksSinceVoice > TICKS_BEFORE_SILENCE;
      if (behind && isSilent) catchUp();
      if (behind) return;
      ticksLate = hasLateFrame ? ticksLate + 1 : 0;
      hasLateFrame = false;
      if (!isSilent && ticksLate < TICKS_BEFORE_LOST) return;
      // Also for a phone that talked before the SFU was joined: else every later frame would count as late.
      for (let owed = clock.owed(); owed > 0; owed--) sendFrame(SILENCE);
    },
    afterStall() {
      discardUntilMs = nowMs() + BACKLOG_MS;
      behind = true;
    },
  };
  return track;
};
