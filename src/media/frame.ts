/** Every leg and every track is cut into frames of this length. */
export const FRAME_MS = 20;

/** At most so many lost frames in a row are made up: after that there is nothing left but silence. */
export const MAX_MADE_UP_FRAMES = 5;

export type SampleRateHz = 8000 | 16000;

export const samplesPerFrame = (sampleRateHz: SampleRateHz): number => (sampleRateHz * FRAME_MS) / 1000;

/**
 * 20 ms of mono audio in the codec it has where it comes from: it stays encoded until somebody needs samples (design, section 7).
 * Payload and samples belong to the sender and are overwritten with its next frame: whoever keeps them copies them.
 */
export type Frame =
  | {
      readonly codec: "alaw" | "ulaw" | "opus";
      readonly payload: Uint8Array;
      /** Frames of 20 ms that are missing for good right before this one: a decoder fills the gap, a track that passes it on has it too. */
      readonly lost: number;
    }
  | { readonly codec: "slin"; readonly sampleRateHz: SampleRateHz; readonly samples: Int16Array };
