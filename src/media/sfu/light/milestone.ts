/** Something that happens once, or fails before. */
export interface Milestone<T> {
  readonly reached: Promise<T>;
  reach(value: T): void;
  fail(error: Error): void;
}

export const createMilestone = <T>(): Milestone<T> => {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  promise.catch(() => {}); // whoever waits for it sees it; nobody may be waiting yet, or any more
  return { reached: promise, reach: resolve, fail: reject };
};

/** Rejects with `error` when the promise takes longer. */
export const within = async <T>(promise: Promise<T>, timeoutMs: number, error: Error): Promise<T> => {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(error), timeoutMs);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
};
