/** One call that the stand-in makes: SIP participant in the room, INVITE, audio, until one of the two sides ends. */
import { createRtpLeg } from "./rtp.ts";
import { joinRoomSide } from "./room-side.ts";
import { type Dialog, SipFailure, type SipUa } from "./sip-ua.ts";
import { talk, waitForRtp } from "./talk.ts";

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
    await waitForRtp(rtp);
    side.setStatus("active");
    return established;
  };

  const connected = connect();
  const ended = connected
    .then(
      (established) => talk(established, { side, rtp, maxDurationMs: request.maxDurationMs }),
      () => {},
    )
    .then(async () => {
      rtp.close();
      await side.leave();
    });
  return { answered: connected.then(() => {}), ended, dialog: () => dialog };
};
