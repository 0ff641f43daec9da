// Runs in the audio thread: cuts what one remote track plays into blocks of 16 bit samples.
import { CAPTURE_BLOCK_SAMPLES } from "./protocol.ts";

// lib.dom lacks the scope of an AudioWorklet.
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}
declare function registerProcessor(name: string, processor: new () => AudioWorkletProcessor): void;

class BlockCutter extends AudioWorkletProcessor {
  #block = new Int16Array(CAPTURE_BLOCK_SAMPLES);
  #filled = 0;

  process(inputs: Float32Array[][]): boolean {
    const channel = inputs[0]?.[0];
    // No channel: the track is silent at the source (muted, or no packet yet). That is no audio, not silence.
    if (channel === undefined) return true;
    for (const sample of channel) {
      this.#block[this.#filled++] = Math.max(-1, Math.min(1, sample)) * 32767;
      if (this.#filled < CAPTURE_BLOCK_SAMPLES) continue;
      this.port.postMessage(this.#block.buffer, [this.#block.buffer]);
      this.#block = new Int16Array(CAPTURE_BLOCK_SAMPLES);
      this.#filled = 0;
    }
    return true;
  }
}

registerProcessor("block-cutter", BlockCutter);
