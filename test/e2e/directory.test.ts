// Whose a number is, on the real stack: bound in the control room, or claimed with a code that the phone is told.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";

import { writeToneWav } from "../../deploy/lab/audio/tone.ts";
import { phoneRecorded, wordsHeard } from "../support/e2e/audio.ts";
import { dialUntilItRings } from "../support/e2e/dialin.ts";
import { roomMembership } from "../support/e2e/leftovers.ts";
import { roomHand } from "../support/e2e/rooms.ts";
import { type Scene, startScene } from "../support/e2e/scene.ts";
import { until } from "../support/e2e/until.ts";

const TIMEOUT_MS = 90_000;
/** The administrator's own recordings: tones in place of words. */
const WORDS_HZ = {
  "claim-code": 1500,
  "number-2": 1700,
  "number-3": 2300,
  "number-4": 2500,
  "number-5": 2700,
  "number-6": 2900,
  "number-7": 3100,
  "number-8": 1300,
  "number-9": 1100,
} as const;
const WORD_SECONDS = 0.6;

let scene: Scene;
let control: string;

beforeAll(async () => {
  scene = await startScene();
  control = await scene.createRoom({ encrypted: false });
  const prompts = join(scene.lab.folder, "prompts");
  await mkdir(join(prompts, "en"), { recursive: true });
  for (const [name, frequencyHz] of Object.entries(WORDS_HZ)) {
    const tone = { frequencyHz, sampleRateHz: 8000, levelDbfs: -12, seconds: WORD_SECONDS };
    await writeToneWav(join(prompts, `en/${name}.wav`), tone);
  }
  await scene.lab.gateway.reconfigure({
    // Phones are spoken to with the menu's recordings.
    menu: { numbers: ["8560"], prompts },
    bot: { control_room: control },
    numbering: { extensions: ["1XXX", "2XXX"] },
    directory: { claims: true },
  });
}, 600_000);
afterEach(() => scene.reset());
afterAll(() => scene?.stop());

/** What the API says of a number or a user. */
const directory = async (query: string): Promise<unknown> =>
  (await scene.lab.gateway.api("GET", `/api/v1/directory?${query}`)).body["entries"];

test(
  "a number that is bound in the control room rings its user, who has a chat with it",
  async () => {
    const { lab, alice, bob, carol } = scene;
    const phone = lab.phones["1001"];
    const hand = roomHand(lab, control, alice);
    const { botUserId } = lab.gateway;
    await hand.say(carol, `!phone bind ${bob.userId} 2002`);
    await hand.waitForNotice(botUserId, "(UNAUTHORIZED)");
    // A device that can be rung.
    await using device = await scene.join(bob, control, 0, { joinLater: true });
    await hand.say(alice, `!phone bind ${bob.userId} 2002`);
    await hand.waitForNotice(botUserId, `Calls to 2002 ring ${bob.userId} from now on.`);
    const entry = { number: "2002", number_class: "internal", name: "Bob", user_id: device.userId };
    expect(await directory("number=2002")).toEqual([entry]);
    await until("bob to be in a chat with his number", async () => {
      const { joined_rooms: rooms } = await lab.homeserver.request<{ joined_rooms: string[] }>(
        "GET",
        "/_matrix/client/v3/joined_rooms",
        { user: bob },
      );
      const members = await Promise.all(
        rooms.map(async (room) => roomMembership(lab, room, lab.gateway.ghost("2002"), bob).catch(() => "none")),
      );
      return members.includes("join") ? true : undefined;
    });

    await dialUntilItRings(phone, "2002");
    const { body } = await lab.gateway.api("GET", `/api/v1/calls?user_id=${encodeURIComponent(bob.userId)}`);
    const [call] = body["calls"] as readonly unknown[];
    expect(call).toMatchObject({ direction: "inbound", person: bob.userId, number: "1001" });
    await phone.hangup();
    await phone.waitForClosed();

    await hand.say(alice, "!phone unbind 2002");
    await hand.waitForNotice(botUserId, `Calls to 2002 do not ring ${bob.userId} any more.`);
    await phone.dial("2002");
    expect(await phone.waitForClosed()).toContain("404");
    expect(await directory("number=2002")).toEqual([]);
  },
  TIMEOUT_MS,
);

test(
  "a user claims an extension with the code that it is told",
  async () => {
    const { lab, alice } = scene;
    const { botUserId } = lab.gateway;
    const phone = lab.phones["1002"];
    const hand = roomHand(lab, control, alice);
    await hand.say(alice, "!phone claim 1002");
    await hand.waitForNotice(botUserId, "1002 is being called and told a code.");
    await phone.waitForRinging();
    await phone.answer();
    await phone.waitForClosed(20_000);
    const words = wordsHeard(await phoneRecorded(phone).recording(), WORDS_HZ, WORD_SECONDS);
    const digits = words.filter((word) => word !== "claim-code").map((word) => word.replace("number-", ""));
    const code = digits.slice(0, 6).join("");
    expect(words.join(" ")).toMatch(/^claim-code( number-\d){6} claim-code( number-\d){6}$/);
    expect(digits.slice(6).join("")).toBe(code);

    await hand.say(alice, `!phone claim 1002 ${code === "222222" ? "333333" : "222222"}`);
    await hand.waitForNotice(botUserId, "This is not the code.");
    await hand.say(alice, `!phone claim 1002 ${code}`);
    await hand.waitForNotice(botUserId, `Calls to 1002 ring ${alice.userId} from now on.`);
    const entry = { number: "1002", number_class: "internal", name: "Alice", user_id: alice.userId };
    expect(await directory(`user_id=${encodeURIComponent(alice.userId)}`)).toEqual([entry]);
    await hand.say(alice, "!phone unbind 1002");
    await hand.waitForNotice(botUserId, `Calls to 1002 do not ring ${alice.userId} any more.`);
  },
  TIMEOUT_MS,
);
