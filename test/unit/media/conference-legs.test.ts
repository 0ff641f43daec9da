import { expect, test } from "@jest/globals";
import type { LegMedia } from "../../../src/calls/ports.ts";
import { createConference } from "../../../src/media/conference.ts";
import type { JoinSession } from "../../../src/media/ipc.ts";
import type { Leg, LegEvents } from "../../../src/media/legs/port.ts";
import { quietLog } from "../../support/fake-ports.ts";
import { silentSfuClient } from "../../support/media/silent-sfu-client.ts";

const mediaOf = (url: string): LegMedia => ({ kind: "asterisk-websocket", url, codec: "alaw" });

/** A conference with one joined phone; each leg's connection is made when the test says so. */
const start = async () => {
  const sent: string[] = [];
  const closed: string[] = [];
  const connecting = new Map<string, { connected: () => void; events: LegEvents }>();
  const client = silentSfuClient([
    { trackId: "1", identity: "alice", muted: false, undecryptable: true },
    { trackId: "2", identity: "alice", muted: false, undecryptable: false },
    { trackId: "3", identity: "bob", muted: true, undecryptable: false },
  ]);
  const conference = createConference({
    createSfuClient: () => client,
    connectLeg: (media, events) =>
      new Promise((resolve) => {
        const url = media.kind === "asterisk-websocket" ? media.url : "";
        const leg: Leg = {
          format: { codec: "alaw" },
          send: () => sent.push(url),
          takeDropped: () => 0,
          close: async () => void closed.push(url),
        };
        connecting.set(url, { connected: () => resolve(leg), events });
      }),
    usual: { codec: "alaw" },
    g711As: "g711",
    nowMs: () => 0,
    log: quietLog,
    onFact: () => {},
  });
  await conference.join({ callId: "call", identity: "ghost", voice: { language: "en" } } as JoinSession);
  const flush = () => new Promise((resolve) => setImmediate(resolve));
  return {
    conference,
    closed,
    attach: async (url: string) => {
      const attached = conference.attach("call", mediaOf(url));
      attached.catch(() => {});
      await flush();
      return { attached, ...connecting.get(url)! };
    },
    /** The leg that hears the conference. */
    heardAt: () => {
      sent.length = 0;
      conference.phone("call").bridge();
      conference.tick();
      return sent;
    },
  };
};

test("audio of a trunk that failed, which comes late, does not take the place of the next trunk's", async () => {
  const { attach, closed, heardAt } = await start();
  const first = await attach("first");
  const second = await attach("second");
  second.connected();
  await second.attached;
  first.connected();
  await expect(first.attached).rejects.toMatchObject({ code: "MEDIA_FAILED" });
  expect(closed).toEqual(["first"]);
  expect(heardAt()).toEqual(["second"]);
});

test("audio that is gone before it was connected is a failure", async () => {
  const { attach, heardAt } = await start();
  const { attached, connected, events } = await attach("first");
  events.onLost("closed");
  connected();
  await expect(attached).rejects.toMatchObject({ code: "MEDIA_FAILED" });
  expect(heardAt()).toEqual([]);
});

test("who is muted is no speaker", async () => {
  const { conference } = await start();
  expect(conference.speakers("call")).toEqual(["alice"]);
  expect(conference.speakers("unknown")).toEqual([]);
});

test("keys are refused where they do not go with the phone's audio", async () => {
  const { conference, attach } = await start();
  const press = (): Promise<void> => conference.press("call", "1");
  await expect(press()).rejects.toMatchObject({ code: "MEDIA_FAILED" });
  const { attached, connected } = await attach("leg");
  connected();
  await attached;
  await expect(press()).rejects.toMatchObject({ code: "MEDIA_FAILED" });
});
