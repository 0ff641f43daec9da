import { WebSocket } from "ws";
import * as z from "zod";

import type { LegMedia } from "../../calls/ports.ts";
import { GatewayError } from "../../errors.ts";
import type { FrameFormat } from "../codecs/transcode.ts";
import { type Frame, samplesPerFrame } from "../frame.ts";
import type { Leg, LegEvents } from "./port.ts";

type AsteriskMedia = Extract<LegMedia, { kind: "asterisk-websocket" }>;

const CONNECT_TIMEOUT_MS = 3000;
/** Frames between two looks at Asterisk's queue: half a second. */
const STATUS_EVERY_FRAMES = 25;
/** On hold no frames are sent, but a dead connection is noticed all the same. */
const IDLE_STATUS_MS = 1000;
/** Asterisk answers within milliseconds; a connection without an answer for this long is dead (half-open TCP). */
const STATUS_TIMEOUT_MS = 5000;
/** Asterisk's queue is emptied beyond this: it was stopped, or the network was, and all of it would be delay. */
const FLUSH_ABOVE_FRAMES = 5;
/** 60 ms, the most that may wait there. */
const MAX_FAR_FRAMES = 3;
/** Looks in a row that found more than the frame just sent: that is not jitter but clock drift, or what a burst left. */
const LOOKS_BEFORE_TRIM = 4;
/** Where frames that were left out were missing soon afterwards: the machine is busy, and up to 32 s are waited. */
const MOST_LOOKS_BEFORE_TRIM = 64;
/** A minute: a frame more that comes later than that has nothing to do with the one left out. */
const LOOKS_WITHOUT_RETURN = 120;
/** Frames that pass while a pause is waited for to leave one out. */
const TRIM_PATIENCE_FRAMES = 25;
/** Frames that may wait on our side of the connection. */
const MAX_NEAR_FRAMES = 3;
/** WebSocket header of a small masked client message. */
const HEADER_BYTES = 8;

const FORMATS: Readonly<Record<AsteriskMedia["codec"], FrameFormat>> = {
  alaw: { codec: "alaw" },
  ulaw: { codec: "ulaw" },
  slin16: { codec: "slin", sampleRateHz: 16000 },
};
const FRAME_BYTES: Readonly<Record<AsteriskMedia["codec"], number>> = {
  alaw: samplesPerFrame(8000),
  ulaw: samplesPerFrame(8000),
  slin16: samplesPerFrame(16000) * Int16Array.BYTES_PER_ELEMENT,
};

/** `STATUS channel_id:1.2 queue_length:3 ...` and `MEDIA_START ... optimal_frame_size:160 ...` (chan_websocket.c). */
const count = z.string().regex(/^\d+$/).transform(Number);
const statusFields = z.object({ queue_length: count });
const startFields = z.object({ optimal_frame_size: count });

const parseText = (text: string): { event: string; fields: Readonly<Record<string, string>> } => {
  const [event = "", ...words] = text.trim().split(/\s+/);
  const pairs = words.map((word): [string, string] => {
    const colon = word.indexOf(":");
    return colon < 0 ? [word, ""] : [word.slice(0, colon), word.slice(colon + 1)];
  });
  return { event, fields: Object.fromEntries(pairs) };
};

/**
 * Asterisk's WebSocket channel (`chan_websocket`, Asterisk >= 20.16, 21.11, 22.6): binary messages are audio, text messages are
 * commands. Asterisk plays one frame every 20 ms from a queue of up to 1000, so whatever is sent too much is delay until the end
 * of the call: `GET_STATUS` watches that queue, frames are left out to keep it short, `FLUSH_MEDIA` empties it after a stall.
 *
 * Rejects with GatewayError MEDIA_FAILED.
 */
export const connectAsteriskLeg = async (media: AsteriskMedia, events: LegEvents): Promise<Leg> => {
  const socket = new WebSocket(media.url, "media", {
    perMessageDeflate: false,
    handshakeTimeout: CONNECT_TIMEOUT_MS,
    // A frame is a kilobyte at most; nobody sends us more than a second at once.
    maxPayload: 65536,
  });
  await opened(socket);
  const frameBytes = FRAME_BYTES[media.codec];
  const receive = createFrameCutter(media.codec, (frame) => events.onFrame(frame));
  const queue = createFarQueue();
  let lastStatusAtMs = performance.now();
  let lost = false;

  const fail = (message: string): void => {
    if (lost) return;
    lost = true;
    clearInterval(statusTimer);
    socket.terminate();
    events.onLost(message);
  };
  const onText = (text: string): void => {
    const { event, fields } = parseText(text);
    if (event === "STATUS") {
      lastStatusAtMs = performance.now();
      const status = statusFields.safeParse(fields);
      if (status.success && queue.look(status.data.queue_length) === "flush") socket.send("FLUSH_MEDIA");
    } else if (event === "MEDIA_START") {
      const start = startFields.safeParse(fields);
      if (start.success && start.data.optimal_frame_size !== frameBytes) {
        fail(`Asterisk uses frames of ${start.data.optimal_frame_size} bytes, ${media.codec} has ${frameBytes}`);
      }
    }
  };

  let framesSinceStatus = 0;
  const askStatus = (): void => {
    framesSinceStatus = 0;
    socket.send("GET_STATUS");
  };
  const statusTimer = setInterval(() => {
    if (performance.now() - lastStatusAtMs > STATUS_TIMEOUT_MS) fail("Asterisk's media connection does not answer");
    else if (performance.now() - lastStatusAtMs > IDLE_STATUS_MS) askStatus();
  }, IDLE_STATUS_MS);
  socket.on("message", (data: Buffer, isBinary: boolean) => {
    if (isBinary) receive(data);
    else onText(data.toString());
  });
  socket.on("error", () => {}); // "close" follows and says the same
  socket.on("close", (code: number) => fail(`Asterisk closed the media connection (code ${code})`));

  return {
    format: FORMATS[media.codec],
    send(frame, quiet) {
      if (socket.readyState !== WebSocket.OPEN) return;
      const nearFrames = socket.bufferedAmount / (frameBytes + HEADER_BYTES);
      if (nearFrames > MAX_NEAR_FRAMES || queue.leaveOut(quiet)) {
        queue.dropped += 1;
        return;
      }
      const bytes = frame.codec === "slin" ? bytesOf(frame.samples) : frame.payload;
      socket.send(bytes);
      framesSinceStatus += 1;
      // Right behind a frame, so that every look counts the same moment of the 20 ms.
      if (framesSinceStatus >= STATUS_EVERY_FRAMES) askStatus();
    },
    takeDropped() {
      const { dropped } = queue;
      queue.dropped = 0;
      return dropped;
    },
    async close() {
      lost = true;
      clearInterval(statusTimer);
      socket.close(1000);
      // Asterisk hangs the channel up at once; nobody has to wait for the closing handshake.
      setTimeout(() => socket.terminate(), 200).unref();
    },
  };
};

const bytesOf = (samples: Int16Array): Uint8Array =>
  new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);

const opened = (socket: WebSocket): Promise<void> =>
  new Promise((resolve, reject) => {
    const fail = (reason: string): void => {
      reject(
        // The path of the address is the connection's only secret: it stays out of the message.
        new GatewayError("MEDIA_FAILED", `Asterisk did not accept the media connection: ${reason}`, {
          retryable: true,
        }),
      );
    };
    socket.once("open", () => {
      socket.removeAllListeners();
      resolve();
    });
    socket.once("error", (error) =>
      fail("code" in error ? String(error.code) : error.message.replaceAll(/\S*\/media\/\S*/g, "***")),
    );
    socket.once("close", (code) => fail(`closed with code ${code}`));
  });

/** Asterisk passes on the packets of the phone, which may be 10 or 30 ms long: cuts them into frames of 20 ms. */
const createFrameCutter = (codec: AsteriskMedia["codec"], onFrame: (frame: Frame) => void) => {
  const buffer = new Uint8Array(FRAME_BYTES[codec]);
  let filled = 0;
  const frame: Frame =
    codec === "slin16"
      ? { codec: "slin", sampleRateHz: 16000, samples: new Int16Array(buffer.buffer) }
      : { codec, payload: buffer, lost: 0 };
  return (data: Uint8Array): void => {
    for (let at = 0; at < data.length;) {
      const part = Math.min(buffer.length - filled, data.length - at);
      buffer.set(data.subarray(at, at + part), filled);
      at += part;
      filled += part;
      if (filled < buffer.length) return;
      filled = 0;
      onFrame(frame);
    }
  };
};

/** Decides from Asterisk's own counter which frames are left out. */
const createFarQueue = () => {
  let surplus = 0;
  let patience = 0;
  let looksAboveOne = 0;
  let looksBeforeTrim = LOOKS_BEFORE_TRIM;
  let looksSinceTrim = Infinity;

  /** Asterisk had to wait for a late frame, which then is one more: had one been left there, it would not have waited. */
  const learn = (frames: number): void => {
    looksSinceTrim += 1;
    if (looksSinceTrim > LOOKS_WITHOUT_RETURN) looksBeforeTrim = LOOKS_BEFORE_TRIM;
    else if (frames > 1 && looksAboveOne === 0) looksBeforeTrim = Math.min(2 * looksBeforeTrim, MOST_LOOKS_BEFORE_TRIM);
    looksAboveOne = frames > 1 ? looksAboveOne + 1 : 0;
  };
  return {
    dropped: 0,
    /** @param frames that wait in Asterisk now */
    look(frames: number): "flush" | "keep" {
      if (frames > FLUSH_ABOVE_FRAMES) {
        surplus = 0;
        looksAboveOne = 0;
        this.dropped += frames;
        return "flush";
      }
      learn(frames);
      surplus = frames >= MAX_FAR_FRAMES ? frames - 1 : looksAboveOne >= looksBeforeTrim ? 1 : 0;
      patience = frames >= MAX_FAR_FRAMES ? 0 : TRIM_PATIENCE_FRAMES;
      return "keep";
    },
    /** Whether this frame is one too many. */
    leaveOut(quiet: boolean): boolean {
      if (surplus === 0) return false;
      if (!quiet && patience > 0) {
        patience -= 1;
        return false;
      }
      surplus -= 1;
      looksAboveOne = 0;
      looksSinceTrim = 0;
      return true;
    },
  };
};
