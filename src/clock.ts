/** Time, as app.ts gives it; tests turn it by hand. */
export interface Clock {
  nowMs(): number;
  /** Runs `callback` once; returns how to cancel it. */
  after(delayMs: number, callback: () => void): () => void;
}
