import type { Clock } from "../clock.ts";

/** How the delay of a subject grows with what it got wrong lately. */
interface Growth {
  /** Wrong PINs that cost nothing: people mistype. */
  readonly free: number;
  readonly firstMs: number;
  readonly longestMs: number;
}

/** Three tries of the first call are free; then 1 s, 2 s, 4 s, … one after the other. */
const PER_CALLER: Growth = { free: 3, firstMs: 1000, longestMs: 60_000 };
/** Nobody waits longer, however many lines one number has: behind a company's number there are also people who know their PIN. */
const LONGEST_WAIT_MS = 90_000;
/**
 * Many callers share a conference, and so do those without a number: one who guesses must not keep the others out, so the delay stays short,
 * and attempts are delayed side by side. It still turns 10⁸ PINs into months for any number of lines that a trunk has.
 */
const PER_CONFERENCE: Growth = { free: 10, firstMs: 500, longestMs: 4000 };
/** One wrong PIN is forgotten per such time. Never at a right PIN: who has a conference of their own could buy guesses at others with it. */
const FORGET_ONE_MS = 5 * 60_000;
/** Bound of what is kept, whatever numbers callers claim to have. */
const MAX_SUBJECTS = 10_000;

/** Wrong PINs of the whole gateway within the window that are no accident any more. */
const ALARM = { wrong: 30, windowMs: 10 * 60_000 } as const;

export interface PinAlarm {
  readonly wrong: number;
  readonly windowMs: number;
}

export interface PinAttempt {
  /** Wait before the answer, whether the PIN is right or wrong: it only depends on earlier attempts. */
  readonly delayMs: number;
  /** What came out of it; to be called also when the caller hung up meanwhile. Once. */
  settle(isRight: boolean): void;
}

export interface PinDefence {
  /** @param caller what tells callers apart, for example the E.164 number; undefined for those without one */
  begin(caller: string | undefined, conference: string): PinAttempt;
}

interface Subject {
  wrong: number;
  /** Attempts that are not settled yet. */
  pending: number;
  updatedAtMs: number;
  /** The delays of one caller follow each other, also when it calls on several lines. */
  busyUntilMs: number;
}

/** `wrong` leaks away as a fraction: one that has begun to count counts whole. */
const delayOf = (wrong: number, { free, firstMs, longestMs }: Growth): number => {
  const paid = Math.ceil(wrong) - free;
  return paid < 0 ? 0 : Math.min(longestMs, firstMs * 2 ** Math.min(30, paid));
};

/** Subjects of one kind, with what they got wrong leaking away over time. */
const createSubjects = (clock: Clock) => {
  const subjects = new Map<string, Subject>();
  return (key: string): Subject => {
    const nowMs = clock.nowMs();
    const subject = subjects.get(key) ?? { wrong: 0, pending: 0, updatedAtMs: nowMs, busyUntilMs: nowMs };
    subject.wrong = Math.max(0, subject.wrong - (nowMs - subject.updatedAtMs) / FORGET_ONE_MS);
    subject.updatedAtMs = nowMs;
    // At the end again: the map is in the order of use, so the oldest goes first.
    subjects.delete(key);
    subjects.set(key, subject);
    const [oldest] = subjects.keys();
    if (subjects.size > MAX_SUBJECTS && oldest !== undefined) subjects.delete(oldest);
    return subject;
  };
};

/** Counts wrong PINs of all callers; rings once per window. */
const createAlarm = (clock: Clock, onAlarm: (alarm: PinAlarm) => void): (() => void) => {
  let wrongAtMs: readonly number[] = [];
  let quietUntilMs = 0;
  return () => {
    const nowMs = clock.nowMs();
    // More than rings the alarm need not be kept.
    wrongAtMs = [...wrongAtMs.filter((atMs) => atMs > nowMs - ALARM.windowMs), nowMs].slice(-ALARM.wrong);
    if (wrongAtMs.length < ALARM.wrong || nowMs < quietUntilMs) return;
    quietUntilMs = nowMs + ALARM.windowMs;
    onAlarm(ALARM);
  };
};

/** Slows guessing down: per caller, and per conference number, whether that exists or not. Nobody is ever refused here. */
export const createPinDefence = (deps: {
  readonly clock: Clock;
  readonly onAlarm: (alarm: PinAlarm) => void;
}): PinDefence => {
  const { clock } = deps;
  const callers = createSubjects(clock);
  const conferences = createSubjects(clock);
  const countForAlarm = createAlarm(clock, deps.onAlarm);

  /** Attempts of a caller who guesses are answered one after the other, so that many lines are no faster than one. */
  const delayOfCaller = (subject: Subject): number => {
    if (delayOf(subject.wrong, PER_CALLER) === 0) return 0;
    const nowMs = clock.nowMs();
    const delayMs = delayOf(subject.wrong + subject.pending, PER_CALLER);
    subject.busyUntilMs = Math.min(Math.max(nowMs, subject.busyUntilMs) + delayMs, nowMs + LONGEST_WAIT_MS);
    return subject.busyUntilMs - nowMs;
  };

  return {
    begin: (caller, conference) => {
      const subjects = [conferences(conference), ...(caller === undefined ? [] : [callers(caller)])];
      const [byConference, byCaller] = subjects;
      const delayMs = Math.max(
        delayOf(byConference?.wrong ?? 0, PER_CONFERENCE),
        byCaller === undefined ? 0 : delayOfCaller(byCaller),
      );
      for (const subject of subjects) subject.pending += 1;
      return {
        delayMs,
        settle: (isRight) => {
          for (const subject of subjects) {
            subject.pending -= 1;
            if (!isRight) subject.wrong += 1;
          }
          if (!isRight) countForAlarm();
        },
      };
    },
  };
};
