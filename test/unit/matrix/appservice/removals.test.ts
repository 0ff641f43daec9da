import { expect, test } from "@jest/globals";
import type { CallRecord } from "../../../../src/calls/ports.ts";
import { ghostUserId } from "../../../../src/ids.ts";
import type { AppserviceEvent } from "../../../../src/matrix/appservice/events.ts";
import { createNamespace } from "../../../../src/matrix/appservice/namespace.ts";
import { createRemovals } from "../../../../src/matrix/appservice/removals.ts";

const GHOST = ghostUserId("@tel_1001:example.org");
const OTHER = ghostUserId("@tel_1002:example.org");

const removedBy = (event: Partial<AppserviceEvent>): unknown[] => {
  const removed: unknown[] = [];
  createRemovals({
    namespace: createNamespace({ serverName: "example.org", botLocalpart: "phone" }),
    calls: {
      inRoom: (room) => (room === "!r:x" ? ([{ ghost: GHOST }, { ghost: OTHER }] as unknown as CallRecord[]) : []),
      ghostRemoved: (...args) => removed.push(args),
    },
  })({
    type: "m.room.member",
    eventId: "$1",
    roomId: "!r:x",
    sender: "@alice:example.org",
    stateKey: GHOST,
    content: { membership: "leave" },
    ageMs: 0,
    ...event,
  });
  return removed;
};

test.each([
  ["a kick", {}, [["!r:x", GHOST, "kicked"]]],
  ["a ban", { content: { membership: "ban" } }, [["!r:x", GHOST, "banned"]]],
  ["an own leave", { sender: GHOST }, []],
  ["an invite", { content: { membership: "invite" } }, []],
  ["a kick of somebody else", { stateKey: "@bob:example.org" }, []],
  ["a message", { type: "m.room.message" }, []],
  [
    "an upgrade of the room",
    { type: "m.room.tombstone", stateKey: "", content: { replacement_room: "!new:x" } },
    [
      ["!r:x", GHOST, "upgraded"],
      ["!r:x", OTHER, "upgraded"],
    ],
  ],
  ["an upgrade of a room without phones", { type: "m.room.tombstone", stateKey: "", roomId: "!other:x" }, []],
])("%s", (_, event, removed) => {
  expect(removedBy(event)).toEqual(removed);
});
