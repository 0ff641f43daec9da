import { expect, test } from "@jest/globals";
import { createConferences } from "../../../../src/dialin/conferences.ts";
import { GatewayError } from "../../../../src/errors.ts";
import { roomId, userId } from "../../../../src/ids.ts";
import {
  createDialinCommands,
  DIALIN_EVENT,
  type DialinAction,
} from "../../../../src/matrix/appservice/dialin-commands.ts";
import { createTestLog } from "../../../support/log.ts";
import { createMemoryConferences } from "../../dialin/memory-conferences.ts";

const ROOM = roomId("!r:example.org");
const ALICE = userId("@alice:example.org");
const BOB = userId("@bob:example.org");
const NUMBER = "+33 1 40 50 60 80";

const refuse = async (): Promise<never> => {
  throw new GatewayError("HOMESERVER_REFUSED", "no");
};

const start = ({ encrypted = true, canWriteState = true, canSayPrivately = true } = {}) => {
  const store = createMemoryConferences();
  const pins: string[] = [];
  const states: unknown[] = [];
  const whispered: { user: string; text: string }[] = [];
  const { log, lines } = createTestLog();
  const hash = async (pin: string): Promise<string> => {
    pins.push(pin);
    return `hash ${pins.length}`;
  };
  const run = createDialinCommands({
    conferences: createConferences({ store, hasher: { hash } }),
    numbers: [NUMBER],
    isModerator: (room, user) => room === ROOM && user === ALICE,
    isEncrypted: () => encrypted,
    sayPrivately: canSayPrivately ? async (user, text) => void whispered.push({ user, text }) : refuse,
    writeState: canWriteState ? async (...state) => void states.push(state) : refuse,
    log,
  });
  const say = (action: DialinAction, sender = ALICE): Promise<string> => run({ room: ROOM, sender, action });
  const id = (): string => store.byRoom(ROOM)?.conferenceId ?? "";
  const spaced = (digits: string, size: number): string => `${digits.slice(0, size)} ${digits.slice(size)}`;
  const pin = (): string => spaced(pins.at(-1) ?? "", 4);
  return { store, states, whispered, lines, pins, say, id: () => spaced(id(), 3), plainId: id, pin };
};

test("in an encrypted room, on tells all there is to dial, ready to be copied", async () => {
  const world = start();
  const answer = await world.say({ name: "on", language: "fr" });
  expect(answer).toBe(
    ["Phones can call this room:", NUMBER, `Room number: ${world.id()} #`, `PIN: ${world.pin()} #`].join("\n"),
  );
  expect(world.store.byRoom(ROOM)).toMatchObject({ language: "fr", pinHash: "hash 1" });
  expect(world.whispered).toEqual([]);
});

test("state for clients has number and conference id, and nothing of the PIN", async () => {
  const world = start();
  await world.say({ name: "on" });
  expect(world.states).toEqual([[ROOM, DIALIN_EVENT, { numbers: [NUMBER], conference_id: world.plainId() }]]);
});

test("in a plain room the PIN goes to the moderator alone", async () => {
  const world = start({ encrypted: false });
  const answer = await world.say({ name: "on" });
  expect(answer).toMatch(/Room number: \d{3} \d{3} #\n.*sent the PIN to @alice:example\.org alone\.$/);
  expect(answer).not.toContain(world.pin());
  expect(world.whispered).toEqual([{ user: ALICE, text: expect.stringContaining(`PIN: ${world.pin()} #`) }]);
});

test("a PIN that could not be sent is said nowhere else", async () => {
  const world = start({ encrypted: false, canSayPrivately: false });
  const answer = await world.say({ name: "on" });
  expect(answer).toMatch(/Write !phone dialin new-pin to try again\.$/);
  expect(answer).not.toContain(world.pin());
});

test("on once more tells the number again and keeps the PIN, which nobody knows any more", async () => {
  const world = start();
  await world.say({ name: "on" });
  const answer = await world.say({ name: "on" });
  expect(answer).toMatch(new RegExp(`Room number: ${world.id()} #\nThe PIN stays as it is; !phone dialin new-pin`));
  expect(world.store.byRoom(ROOM)?.pinHash).toBe("hash 1");
});

test.each([true, false])("new-pin tells the new one as on does (encrypted: %s)", async (encrypted) => {
  const world = start({ encrypted });
  await world.say({ name: "on" });
  const answer = await world.say({ name: "new-pin" });
  expect(world.store.byRoom(ROOM)?.pinHash).toBe("hash 2");
  expect((encrypted ? answer : world.whispered.at(-1)?.text) ?? "").toContain(`PIN: ${world.pin()} #`);
  expect(answer.includes(world.pin())).toBe(encrypted);
});

test("off forgets the conference and empties the state", async () => {
  const world = start();
  await world.say({ name: "on" });
  await expect(world.say({ name: "off" })).resolves.toMatch(/^Phones cannot call this room any more/);
  expect([world.store.byRoom(ROOM), world.states.at(-1)]).toEqual([undefined, [ROOM, DIALIN_EVENT, {}]]);
  await expect(world.say({ name: "off" })).resolves.toBe("Phones cannot call this room.");
});

test("a room that lets the bot write no state is dialled all the same, and told why apps do not show it", async () => {
  const world = start({ canWriteState: false });
  await expect(world.say({ name: "on" })).resolves.toMatch(/PIN: .*\n.*may not write the state event/);
  expect(world.store.byRoom(ROOM)).toBeDefined();
});

test.each<DialinAction>([{ name: "on" }, { name: "new-pin" }, { name: "off" }])(
  "who is no moderator changes nothing: $name",
  async (action) => {
    const world = start();
    await world.say({ name: "on" });
    const before = world.store.byRoom(ROOM);
    await expect(world.say(action, BOB)).rejects.toMatchObject({ code: "UNAUTHORIZED" });
    expect([world.store.byRoom(ROOM), world.states.length, world.pins.length]).toEqual([before, 1, 1]);
  },
);

test("new-pin without dial-in says what to do first", async () => {
  await expect(start().say({ name: "new-pin" })).rejects.toMatchObject({
    code: "BAD_REQUEST",
    message: expect.stringContaining("!phone dialin on"),
  });
});

test("the log has no PIN, no hash and no words of them", async () => {
  const world = start({ encrypted: false, canWriteState: false });
  await world.say({ name: "on" });
  await world.say({ name: "new-pin" });
  await world.say({ name: "off" });
  const written = JSON.stringify(world.lines);
  expect(world.lines.length).toBeGreaterThan(2);
  for (const pin of world.pins) expect(written).not.toContain(pin);
  expect(written).not.toMatch(/hash \d/);
});
