import type { SessionEnd } from "./ending.ts";
import { NoUdpError, type Session, type SessionEvents } from "./session.ts";
import { SignallingRefused } from "./signalling.ts";

/** Pauses between attempts to resume the signalling; after the last one the SFU is joined anew. */
const RESUME_PAUSES_MS = [0, 300, 700, 1500] as const;
/** Pauses between attempts to join anew; the last one again and again. */
const REJOIN_PAUSES_MS = [0, 250, 500, 1000] as const;
const GIVE_UP_REJOINING_MS = 30_000;

export interface ConnectionOptions {
  readonly token: string;
  readonly openSession: (token: string, events: SessionEvents) => Promise<Session>;
  /** A session takes the place of the one before: it has to be told what was said so far. */
  readonly onSession: (session: Session) => void;
  readonly onState: (state: "connected" | "interrupted" | "closed", message: string) => void;
}

/** The connection to the SFU through all its faults: resumes the signalling, joins anew, and knows when to give up. */
export interface Connection {
  /** The session of the moment, if there is one. */
  readonly session: Session | undefined;
  /** Rejects with what `openSession` rejects with, or ClosedWhileOpening. */
  open(): Promise<void>;
  isClosed(): boolean;
  close(): Promise<void>;
}

export class ClosedWhileOpening extends Error {
  constructor() {
    super("closed while it was connecting");
    this.name = "ClosedWhileOpening";
  }
}

const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

export const createConnection = (options: ConnectionOptions): Connection => {
  let token = options.token;
  let session: Session | undefined;
  /** The one whose signalling is being taken up again. */
  let resuming: Session | undefined;
  let state: "new" | "connected" | "interrupted" | "closed" = "new";
  let opening: Promise<void> | undefined;

  const isClosed = (): boolean => state === "closed";
  const setState = (next: "connected" | "interrupted" | "closed", message: string): void => {
    if (state === next || isClosed()) return;
    state = next;
    options.onState(next, message);
  };

  const openNext = async (): Promise<void> => {
    let opened: Session | undefined;
    const ifCurrent = (action: () => void): void => {
      if (session !== undefined && session === opened) action();
    };
    opened = await options.openSession(token, {
      onToken: (refreshed) => {
        token = refreshed;
      },
      onMedia: (up) =>
        ifCurrent(() =>
          up
            ? setState("connected", "the SFU connection is back")
            : setState("interrupted", "the SFU connection was interrupted"),
        ),
      onSignallingLost: () => ifCurrent(() => void resume()),
      onEnd: (end) => ifCurrent(() => void onEnd(end)),
    });
    if (isClosed()) {
      await opened.close("leave");
      throw new ClosedWhileOpening();
    }
    session = opened;
    options.onSession(opened);
  };

  const dropSession = async (): Promise<void> => {
    const old = session;
    session = undefined;
    await old?.close("drop");
  };
  const onEnd = async ({ kind, message }: SessionEnd): Promise<void> => {
    if (kind === "broken") return rejoin(message);
    await dropSession();
    setState("closed", message);
  };

  const resume = async (): Promise<void> => {
    const interrupted = session;
    if (interrupted === undefined || resuming === interrupted) return;
    resuming = interrupted;
    for (const pauseMs of RESUME_PAUSES_MS) {
      await pause(pauseMs);
      if (session !== interrupted) return;
      try {
        await interrupted.resume(token);
        resuming = undefined;
        return;
      } catch (error) {
        // It answers, and does not want us: no use in asking again.
        if (error instanceof SignallingRefused) break;
      }
    }
    if (session === interrupted) await rejoin("the signalling connection to the SFU is lost");
  };

  const rejoin = async (message: string): Promise<void> => {
    const giveUpAtMs = performance.now() + GIVE_UP_REJOINING_MS;
    setState("interrupted", `${message}: joining again`);
    await dropSession();
    for (let attempt = 0; !isClosed(); attempt++) {
      await pause(REJOIN_PAUSES_MS[Math.min(attempt, REJOIN_PAUSES_MS.length - 1)]!);
      if (isClosed()) return;
      try {
        opening = openNext();
        await opening;
        return setState("connected", "the SFU connection is back");
      } catch (error) {
        const refused = error instanceof SignallingRefused && error.status < 500;
        // After a media connection that timed out, livekit-server offers the participant TCP only: another client has to be taken.
        if (refused || error instanceof NoUdpError || performance.now() > giveUpAtMs) {
          setState("closed", `${message}, and it does not take us back`);
        }
      }
    }
  };

  return {
    get session() {
      return session;
    },
    isClosed,
    async open() {
      opening = openNext();
      await opening;
      state = "connected";
    },
    async close() {
      state = "closed";
      const old = session;
      session = undefined;
      await old?.close("leave");
      // One that is just being made closes itself when it sees the state.
      await opening?.catch(() => {});
    },
  };
};
