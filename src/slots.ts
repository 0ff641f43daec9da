/** Runs tasks, at most `count` at once; the others wait in the order they came. */
export const createSlots = (count: number): (<T>(task: () => Promise<T>) => Promise<T>) => {
  let free = count;
  const waiting: (() => void)[] = [];
  const take = (): Promise<void> => {
    if (free === 0) return new Promise((resolve) => waiting.push(resolve));
    free -= 1;
    return Promise.resolve();
  };
  const give = (): void => {
    const next = waiting.shift();
    if (next === undefined) free += 1;
    else next();
  };
  return async (task) => {
    await take();
    try {
      return await task();
    } finally {
      give();
    }
  };
};
