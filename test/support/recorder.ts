/** Collects what callbacks bring and lets a test await it, instead of sleeping and looking. */
export interface Recorder<T> {
  readonly all: readonly T[];
  readonly push: (value: T) => void;
  /** The first value, old or new, that fits. Rejects after `timeoutMs`, naming what is missing. */
  next(what: string, fits?: (value: T) => boolean, timeoutMs?: number): Promise<T>;
}

export const createRecorder = <T>(): Recorder<T> => {
  const all: T[] = [];
  const waiting = new Set<() => void>();
  return {
    all,
    push: (value) => {
      all.push(value);
      waiting.forEach((look) => look());
    },
    next: (what, fits = () => true, timeoutMs = 10_000) =>
      new Promise((resolve, reject) => {
        const settle = (act: () => void): void => {
          clearTimeout(timer);
          waiting.delete(look);
          act();
        };
        const look = (): void => {
          const found = all.find(fits);
          if (found !== undefined) settle(() => resolve(found));
        };
        const timer = setTimeout(() => settle(() => reject(new Error(`no ${what} within ${timeoutMs} ms`))), timeoutMs);
        waiting.add(look);
        look();
      }),
  };
};
