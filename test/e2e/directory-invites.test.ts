// A homeserver on which people have to accept invites: who has a number is rung in the chat with it, whoever calls.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";

import { TONES_HZ } from "../../deploy/lab/audio/tone.ts";
import { allHear, memberEar, phoneEar } from "../support/e2e/audio.ts";
import { untilNobodyCalls, waitForRing } from "../support/e2e/chats.ts";
import { roomHand } from "../support/e2e/rooms.ts";
import { type Scene, startScene } from "../support/e2e/scene.ts";
import { until } from "../support/e2e/until.ts";

const BOBS_NUMBER = "2002";

let scene: Scene;
let limit = 0;

beforeAll(async () => {
  scene = await startScene({ synapse: { auto_accept_invites: { enabled: false } } });
  const { lab, bob } = scene;
  const file = join(lab.folder, "directory.yaml");
  await writeFile(file, `- number: "${BOBS_NUMBER}"\n  name: Bob\n  user: "${bob.userId}"\n`);
  await lab.gateway.reconfigure({ numbering: { extensions: ["1XXX", "2XXX"] }, directory: { file } });
}, 600_000);
afterAll(() => scene?.stop());

/** Rooms to which bob is invited, with who invited him. */
const invites = async (): Promise<{ readonly room: string; readonly sender: string }[]> => {
  const { lab, bob } = scene;
  // Synapse gives the same answer to the same first sync for two minutes.
  limit += 1;
  const filter = encodeURIComponent(JSON.stringify({ room: { timeline: { limit } } }));
  const { rooms } = await lab.homeserver.request<{
    rooms?: {
      invite?: Record<string, { invite_state: { events: { type: string; state_key: string; sender: string }[] } }>;
    };
  }>("GET", `/_matrix/client/v3/sync?filter=${filter}`, { user: bob });
  return Object.entries(rooms?.invite ?? {}).map(
    ([
      room,
      {
        invite_state: { events },
      },
    ]) => ({
      room,
      sender: events.find(({ type, state_key: who }) => type === "m.room.member" && who === bob.userId)?.sender ?? "",
    }),
  );
};

const nameIn = async (room: string, user: string): Promise<string> => {
  const path = `/_matrix/client/v3/rooms/${encodeURIComponent(room)}/state/m.room.member/${encodeURIComponent(user)}`;
  const { displayname } = await scene.lab.homeserver.request<{ displayname: string }>("GET", path, { user: scene.bob });
  return displayname;
};

test("a person who has not accepted the chat with a caller is rung, and answers, in the chat with their own number", async () => {
  const { lab, bob } = scene;
  const phone = lab.phones["1001"];
  const own = lab.gateway.ghost(BOBS_NUMBER);
  expect(await readFile(lab.log("gateway"), "utf8")).toContain("people have to accept chats with numbers");
  const { room } = await until("bob to be invited by his number", async () =>
    (await invites()).find(({ sender }) => sender === own),
  );
  await lab.homeserver.request("POST", `/_matrix/client/v3/join/${encodeURIComponent(room)}`, { user: bob, body: {} });
  const hand = roomHand(lab, room, bob);
  await using atBob = await scene.join(bob, room, TONES_HZ.bob, { joinLater: true });

  await phone.dial(BOBS_NUMBER);
  await waitForRing(scene, room, own, bob);
  expect((await invites()).map(({ sender }) => sender)).toEqual([lab.gateway.ghost("1001")]);
  expect(await nameIn(room, own)).toBe("1001");
  await atBob.join();
  await atBob.publishTone(TONES_HZ.bob);
  await phone.waitForEstablished();
  await allHear([
    [memberEar(atBob, own), phone.toneHz],
    [phoneEar(phone), TONES_HZ.bob],
  ]);
  expect(await scene.waitForState(room, "active")).toMatchObject({ number: "1001", name: "1001", person: bob.userId });

  await phone.hangup();
  expect(await scene.waitForState(room, "ended")).toMatchObject({ outcome: "completed" });
  await atBob.leaveCall();
  await untilNobodyCalls(scene, room, bob);
  await atBob.waitForMessage("Incoming call from 1001, ", own);
  expect(await nameIn(room, own)).toBe("Bob");
  expect((await hand.timeline()).filter(({ type }) => type === "m.room.encrypted").length).toBeGreaterThan(0);
}, 90_000);
