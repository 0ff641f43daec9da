/** Runs tasks of one room one after the other, of different rooms side by side. Tasks must not throw. */
export const createRoomQueues = (): ((roomId: string, task: () => Promise<void>) => void) => {
  const tails = new Map<string, Promise<void>>();
  return (roomId, task) => {
    const tail = (tails.get(roomId) ?? Promise.resolve()).then(task);
    tails.set(roomId, tail);
    void tail.then(() => {
      if (tails.get(roomId) === tail) tails.delete(roomId);
    });
  };
};
