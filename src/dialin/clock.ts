/** Time, as app.ts gives it (same shape as the clock of the call domain). */
export interface Clock {
  nowMs(): number;
  /** Runs `callback` once; returns how to cancel it. */
  after(delayMs: number, callback: () => void): () => void;
}
