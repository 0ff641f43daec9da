import type { LegMedia } from "../calls/ports.ts";
import type { Clock } from "../clock.ts";
import { GatewayError } from "../errors.ts";
import { createEncoder, formatRateHz } from "./codecs/transcode.ts";
import { type Frame, FRAME_MS, samplesPerFrame } from "./frame.ts";
import type { LobbyFact } from "./lobby-port.ts";
import type { Leg, LegEvents } from "./legs/port.ts";
import { musicFrames } from "./prompts.ts";
import { type Recording, spokenFrames } from "./spoken-prompts.ts";
import { startTicker, type Ticker } from "./tick.ts";

export interface LobbyDeps {
  readonly clock: Clock;
  readonly connectLeg: (media: LegMedia, events: LegEvents) => Promise<Leg>;
  readonly onFact: (callId: string, fact: LobbyFact) => void;
}

/** Phones that are in no conference (yet): they hear recordings and are heard by nobody. */
export interface Lobby {
  enter(callId: string, media: LegMedia): Promise<void>;
  /** One after the other, in place of what plays; then `lobby.said` with the token, and music where it is wanted. Nothing: no fact. */
  say(callId: string, recordings: readonly Recording[], token: number, hasMusic?: boolean): void;
  leave(callId: string): Promise<void>;
  /** All leave. */
  close(): Promise<void>;
}

interface Guest {
  leg?: Leg;
  readonly silence: Int16Array;
  readonly encode: (samples: Int16Array) => Frame;
  playing?: { readonly frames: Iterator<Int16Array>; readonly token: number };
  /** Position in the music. */
  music?: number;
}

export const createLobby = ({ clock, connectLeg, onFact }: LobbyDeps): Lobby => {
  /** `undefined`: its leg is being connected. */
  const guests = new Map<string, Guest | undefined>();

  let ticker: Ticker | undefined;

  const tick = (): void => {
    for (const [callId, guest] of guests) {
      if (guest?.leg === undefined) continue;
      const frame = nextFrame(callId, guest);
      guest.leg.send(guest.encode(frame ?? guest.silence), frame === undefined);
    }
  };
  const add = (callId: string, guest: Guest | undefined): void => {
    guests.set(callId, guest);
    ticker ??= startTicker(clock, FRAME_MS, tick);
  };
  const remove = (callId: string): void => {
    guests.delete(callId);
    if (guests.size > 0) return;
    ticker?.stop();
    ticker = undefined;
  };

  const guestOf = (callId: string): Guest => {
    const guest = guests.get(callId);
    if (guest?.leg === undefined) throw new GatewayError("MEDIA_FAILED", "the phone's audio is not connected");
    return guest;
  };

  const nextFrame = (callId: string, guest: Guest): Int16Array | undefined => {
    const next = guest.playing?.frames.next();
    if (next !== undefined && next.done !== true) return next.value;
    if (guest.playing !== undefined) {
      const { token } = guest.playing;
      delete guest.playing;
      onFact(callId, { type: "lobby.said", token });
    }
    if (guest.music === undefined || guest.leg === undefined) return undefined;
    const music = musicFrames(formatRateHz(guest.leg.format));
    guest.music = (guest.music + 1) % music.length;
    return music[guest.music];
  };

  const lobby: Lobby = {
    async enter(callId, media) {
      add(callId, undefined);
      let guest: Guest | undefined;
      let leg: Leg;
      try {
        leg = await connectLeg(media, {
          onFrame: () => {},
          onLost: (message) => {
            if (guest === undefined || guests.get(callId) !== guest) return;
            delete guest.leg;
            onFact(callId, { type: "lobby.lost", message });
          },
        });
      } catch (error) {
        remove(callId);
        throw error;
      }
      if (!guests.has(callId)) {
        await leg.close();
        throw new GatewayError("MEDIA_FAILED", "the call left while its audio was being connected");
      }
      const rateHz = formatRateHz(leg.format);
      const silence = new Int16Array(samplesPerFrame(rateHz));
      guest = { leg, silence, encode: createEncoder(rateHz, leg.format) };
      add(callId, guest);
    },
    say(callId, recordings, token, hasMusic = false) {
      const guest = guestOf(callId);
      delete guest.playing;
      if (hasMusic) guest.music = 0;
      else delete guest.music;
      if (guest.leg === undefined || recordings.length === 0) return;
      const rateHz = formatRateHz(guest.leg.format);
      const frames = recordings.flatMap((recording) => spokenFrames(recording, rateHz));
      guest.playing = { frames: frames[Symbol.iterator](), token };
    },
    async leave(callId) {
      const guest = guests.get(callId);
      remove(callId);
      await guest?.leg?.close();
    },
    close: async () => {
      await Promise.allSettled([...guests.keys()].map((callId) => lobby.leave(callId)));
    },
  };
  return lobby;
};
