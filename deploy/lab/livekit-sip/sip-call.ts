/** One call of the stand-in: SIP participant in the room, INVITE, audio, until one of the two sides ends. */
import { createRtpLeg } from "./rtp.ts";
import { joinRoomSide } from "./room-side.ts";
import { type Dialog, SipFailure, type SipUa } from "./sip-ua.ts";

/** livekit-sip waits for the first RTP after the answer, at most so long, before it says `active`. */
const WAIT_FOR_RTP_MS = 1000;
const FRAME_MS = 20;
/** `media_timeout`: no RTP for so long ends the call. */
const MEDIA_TIMEOUT_MS = 15_000;

export interface SipCallRequest {
  readonly host: string;
  readonly room: { readonly url: string; readonly token: string };
  readonly peer: { readonly host: string; readonly port: number };
  readonly user: string;
  readonly from: { readonly user: string; readonly displayName?: string };
  readonly headers: Readonly<Record<string, string>>;
  readonly ringTimeoutMs: number;
  readonly maxDurationMs: number;
}

export interface SipCall {
  /** Resolves when the phone answered and audio may pass; rejects with SipFailure. */
  readonly answered: Promise<void>;
  readonly ended: Promise<void>;
  readonly dialog: () => Dialog | undefined;
}

const waitForRtp = async (lastReceivedMs: () => number, sinceMs: number): Promise<void> => {
  while (lastReceivedMs() <= sinceMs && performance.now() - sinceMs < WAIT_FOR_RTP_MS) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};

export const startSipCall = async (ua: SipUa, request: SipCallRequest): Promise<SipCall> => {
  const side = await joinRoomSide(request.room.url, request.room.token);
  const rtp = await createRtpLeg(request.host, {
    // Audio before the answer is thrown away (IgnorePreanswerData).
    onSamples: (samples) => {
      if (dialog !== undefined) side.play(samples);
    },
    onKey: (key, code) => void side.publishKey(code, key),
  });
  let dialog: Dialog | undefined;
  const abort = new AbortController();
  void side.closed.then(() => abort.abort());

  const talk = async (established: Dialog): Promise<void> => {
    side.openRoomAudio();
    let nextMs = performance.now();
    const timer = setInterval(() => {
      // Several frames when the timer was late: a phone expects 50 a second.
      for (; nextMs <= performance.now(); nextMs += FRAME_MS) rtp.send(side.nextMix());
      if (performance.now() - rtp.lastReceivedMs() > MEDIA_TIMEOUT_MS) established.bye();
    }, FRAME_MS / 2);
    const longest = setTimeout(() => established.bye(), request.maxDurationMs);
    const by = await Promise.race([established.ended, side.closed.then(() => "room" as const)]);
    clearInterval(timer);
    clearTimeout(longest);
    if (by === "room") established.bye();
  };

  const connect = async (): Promise<Dialog> => {
    const established = await ua.invite({
      user: request.user,
      peer: request.peer,
      from: request.from,
      headers: request.headers,
      sdp: rtp.sdp,
      ringTimeoutMs: request.ringTimeoutMs,
      onRinging: () => side.setStatus("ringing"),
      signal: abort.signal,
    });
    try {
      rtp.connect(established.remoteSdp);
    } catch {
      established.bye();
      throw new SipFailure(400, "No Common Codec");
    }
    dialog = established;
    await waitForRtp(rtp.lastReceivedMs, performance.now());
    side.setStatus("active");
    return established;
  };

  const connected = connect();
  const ended = connected
    .then(talk, () => {})
    .then(async () => {
      rtp.close();
      await side.leave();
    });
  return { answered: connected.then(() => {}), ended, dialog: () => dialog };
};
