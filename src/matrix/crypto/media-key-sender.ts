/** A device that is a member of the call. */
export interface MediaKeyTarget {
  readonly userId: string;
  readonly deviceId: string;
}

export interface MediaKeySenderDeps<Payload> {
  /** Encrypts and sends; resolves with the targets it could not encrypt for (device unknown, no one-time key). */
  deliver(targets: readonly MediaKeyTarget[], payload: Payload): Promise<readonly MediaKeyTarget[]>;
  /** Asks the homeserver for the devices of these users. */
  queryDevices(users: readonly string[]): Promise<void>;
  isMember(target: MediaKeyTarget): boolean;
  /** A member that got no key in all attempts: it will not hear the phone. */
  onUndelivered(target: MediaKeyTarget): void;
  /** Waits before each further attempt. */
  readonly retryDelaysMs?: readonly number[];
}

export interface MediaKeySender<Payload> {
  /** Resolves after the first attempt; members it did not reach are tried again, with the newest key, until a later `send` covers them. */
  send(targets: readonly MediaKeyTarget[], payload: Payload): Promise<void>;
  stop(): void;
}

/** The first retry comes at once, after a device query: that is the usual case, a device we have not heard of yet. */
const RETRY_DELAYS_MS = [0, 1_000, 2_000, 5_000, 10_000];

/**
 * js-sdk counts a key as sent although a device it does not know got nothing, and one device without one-time keys makes the whole
 * distribution fail without a word (matrixrtc.md section 4, "silent loss"). So whom a key did not reach is tried again.
 */
export const createMediaKeySender = <Payload>(deps: MediaKeySenderDeps<Payload>): MediaKeySender<Payload> => {
  const delaysMs = deps.retryDelaysMs ?? RETRY_DELAYS_MS;
  const timers = new Set<NodeJS.Timeout>();
  /** The last `send` that was meant for a device: its retries end when a newer one covers it. */
  const lastRound = new Map<string, number>();
  let newest: { readonly payload: Payload } | undefined;
  let rounds = 0;
  let stopped = false;

  const idOf = ({ userId, deviceId }: MediaKeyTarget): string => `${userId} ${deviceId}`;

  const attempt = async (targets: readonly MediaKeyTarget[], payload: Payload): Promise<readonly MediaKeyTarget[]> => {
    try {
      return await deps.deliver(targets, payload);
    } catch {
      return targets;
    }
  };

  const retryLater = (targets: readonly MediaKeyTarget[], round: number, tries: number): void => {
    if (targets.length === 0 || stopped) return;
    const delayMs = delaysMs[tries];
    if (delayMs === undefined) {
      targets.forEach((target) => deps.onUndelivered(target));
      return;
    }
    const timer = setTimeout(() => {
      timers.delete(timer);
      void retry(targets, round, tries);
    }, delayMs);
    timers.add(timer);
  };

  const retry = async (targets: readonly MediaKeyTarget[], round: number, tries: number): Promise<void> => {
    await deps.queryDevices([...new Set(targets.map(({ userId }) => userId))]).catch(() => {});
    const wanted = targets.filter((target) => lastRound.get(idOf(target)) === round && deps.isMember(target));
    if (stopped || newest === undefined || wanted.length === 0) return;
    retryLater(await attempt(wanted, newest.payload), round, tries + 1);
  };

  return {
    send: async (targets, payload) => {
      newest = { payload };
      rounds += 1;
      const round = rounds;
      targets.forEach((target) => lastRound.set(idOf(target), round));
      retryLater(await attempt(targets, payload), round, 0);
    },
    stop: () => {
      stopped = true;
      timers.forEach(clearTimeout);
      timers.clear();
    },
  };
};
