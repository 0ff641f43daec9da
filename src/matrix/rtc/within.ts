/** What `promise` brings, or `fallback` after `timeoutMs`; the promise then goes on unobserved. */
export const within = async <T, F>(promise: Promise<T>, timeoutMs: number, fallback: F): Promise<T | F> => {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<F>((resolve) => {
    timer = setTimeout(() => resolve(fallback), Math.max(0, timeoutMs));
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
    // Of a promise that lost the race nobody waits for the failure.
    promise.catch(() => {});
  }
};
