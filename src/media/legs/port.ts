/** The audio of a phone, as a conference sees it. One implementation per way of reaching it (LegMedia.kind). */
import type { FrameFormat } from "../codecs/transcode.ts";
import type { Frame } from "../frame.ts";

export interface LegEvents {
  /** A frame of the phone; valid during the call only. */
  onFrame(frame: Frame): void;
  /** The connection is gone and nothing follows. Not reported for `close()`. */
  onLost(message: string): void;
}

export interface Leg {
  /** What `send` takes. */
  readonly format: FrameFormat;
  /** Sends 20 ms at the pace of our tick. `quiet`: nothing to hear, so it may be left out to shorten the far queue. */
  send(frame: Frame, quiet: boolean): void;
  /** Frames that `send` left out since the last call, because the far end or the network had too many already. */
  takeDropped(): number;
  /** Presses keys towards the phone. Rejects with MEDIA_FAILED. Absent: its keys do not go with the audio. */
  press?(keys: string): Promise<void>;
  close(): Promise<void>;
}
