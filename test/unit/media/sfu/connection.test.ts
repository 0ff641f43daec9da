import { beforeEach, describe, expect, test } from "@jest/globals";

import { ClosedWhileOpening, type Connection, createConnection } from "../../../../src/media/sfu/light/connection.ts";
import { NoUdpError, type Session, type SessionEvents } from "../../../../src/media/sfu/light/session.ts";
import { SignallingRefused } from "../../../../src/media/sfu/light/signalling.ts";
import { eventually } from "../../../support/media/scene.ts";

/** What was done, in order: opened and closed sessions, resumptions with their token, states. */
let done: string[];
/** Answers to the next attempts to open or resume; undefined is success. */
let openings: (Error | undefined)[];
let resumptions: (Error | undefined)[];
let events: SessionEvents;
let connection: Connection;

const createSession = (name: string): Session => ({
  outgoing: { send: () => {}, skip: () => {}, setMuted: () => {}, setKey: () => {} },
  tracks: {} as Session["tracks"],
  setMuted: () => {},
  press: () => true,
  async resume(token) {
    done.push(`resume with ${token}`);
    const error = resumptions.shift();
    if (error !== undefined) throw error;
  },
  async close(how) {
    done.push(`${name}: ${how}`);
  },
});

beforeEach(() => {
  done = [];
  openings = [];
  resumptions = [];
  let count = 0;
  connection = createConnection({
    token: "first token",
    openSession: async (token, sessionEvents) => {
      count += 1;
      done.push(`open ${count} with ${token}`);
      const error = openings.shift();
      if (error !== undefined) throw error;
      events = sessionEvents;
      return createSession(`session ${count}`);
    },
    onSession: () => {},
    onState: (state, message) => done.push(`${state}: ${message}`),
  });
});

const seen = (text: string): Promise<true> => eventually(() => done.some((entry) => entry.startsWith(text)), text);

describe("a connection", () => {
  test("a lost WebSocket is resumed with the newest token, and nobody hears of it", async () => {
    await connection.open();
    events.onToken("second token");
    resumptions = [new Error("ECONNREFUSED")];
    events.onSignallingLost();
    events.onSignallingLost();
    await eventually(() => done.length === 3, "two attempts");
    expect(done).toEqual(["open 1 with first token", "resume with second token", "resume with second token"]);
  });

  test("a server that does not know us any more is joined again", async () => {
    await connection.open();
    resumptions = [new SignallingRefused(404)];
    openings = [new SignallingRefused(503), new Error("ECONNREFUSED"), undefined];
    events.onSignallingLost();
    await seen("connected");
    expect(done.slice(1)).toEqual([
      "resume with first token",
      "interrupted: the signalling connection to the SFU is lost: joining again",
      "session 1: drop",
      "open 2 with first token",
      "open 3 with first token",
      "open 4 with first token",
      "connected: the SFU connection is back",
    ]);
  });

  test.each([
    ["refused", new SignallingRefused(401)],
    ["without UDP", new NoUdpError()],
  ])("%s when joining again: closed, and said once", async (_name, error) => {
    await connection.open();
    openings = [error];
    events.onEnd({ kind: "broken", message: "broken" });
    await seen("closed");
    expect(done.filter((entry) => entry.startsWith("closed"))).toEqual([
      "closed: broken, and it does not take us back",
    ]);
  });

  test("kicked: closed at once, nothing is tried", async () => {
    await connection.open();
    events.onEnd({ kind: "gone", message: "kicked" });
    await seen("closed");
    expect(done).toEqual(["open 1 with first token", "session 1: drop", "closed: kicked"]);
  });

  test("closed while it opens: the session is left again", async () => {
    const opening = connection.open();
    const closing = connection.close();
    await expect(opening).rejects.toThrow(ClosedWhileOpening);
    await closing;
    expect(done).toEqual(["open 1 with first token", "session 1: leave"]);
  });

  test("events of a session that is over change nothing", async () => {
    await connection.open();
    const old = events;
    old.onEnd({ kind: "broken", message: "broken" });
    await seen("connected");
    done.length = 0;
    old.onMedia(false);
    old.onEnd({ kind: "gone", message: "kicked" });
    old.onSignallingLost();
    events.onMedia(false);
    events.onMedia(true);
    expect(done).toEqual(["interrupted: the SFU connection was interrupted", "connected: the SFU connection is back"]);
  });
});
