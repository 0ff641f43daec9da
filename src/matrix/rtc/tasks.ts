export interface Tasks {
  /** Runs a named part of the work and notes how long it took. */
  run<T>(name: string, work: () => Promise<T>): Promise<T>;
  /** Resolves when everything that was started has ended, well or not. */
  settled(): Promise<unknown>;
  /** Milliseconds per part, as log fields (`joinMs`). */
  readonly timings: Readonly<Record<string, number>>;
}

/** The parts of one piece of work that run side by side: one failing neither stops the others nor leaves them unobserved. */
export const createTasks = (): Tasks => {
  const timings: Record<string, number> = {};
  const running: Promise<unknown>[] = [];
  return {
    timings,
    settled: () => Promise.allSettled(running),
    run: (name, work) => {
      const startedMs = performance.now();
      const task = work().finally(() => {
        timings[`${name}Ms`] = Math.round(performance.now() - startedMs);
      });
      task.catch(() => {});
      running.push(task);
      return task;
    },
  };
};
