// A phone dials the menu on the real stack: it types room number and PIN and is in the room's call, or is sent away.
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";

import { TONES_HZ } from "../../deploy/lab/audio/tone.ts";
import { turnOnDialIn } from "../../deploy/lab/dial-in.ts";
import { allHear, memberEar, phoneEar } from "../support/e2e/audio.ts";
import { type Scene, startScene } from "../support/e2e/scene.ts";
import { until } from "../support/e2e/until.ts";

const TIMEOUT_MS = 120_000;
const MENU = "8560";
let scene: Scene;
let room: string;

beforeAll(async () => {
  scene = await startScene();
  room = await scene.createRoom({ encrypted: true });
  await scene.lab.gateway.reconfigure({ menu: { numbers: [MENU], language: "fr" } });
}, 600_000);
afterEach(() => scene.reset());
afterAll(() => scene?.stop());

test(
  "room number and PIN lead a desk phone into the running encrypted call; three wrong PINs lead nowhere",
  async () => {
    const { lab, alice } = scene;
    const phone = lab.phones["1001"];
    const ghost = lab.gateway.ghost("1001");
    const isOver = async (): Promise<boolean> => (await scene.calls(room)).every((one) => one["state"] === "ended");
    await using atAlice = await scene.join(alice, room, TONES_HZ.alice);
    const { id, pin } = await turnOnDialIn(atAlice, lab.gateway.botUserId);
    expect([id, pin]).toEqual([expect.stringMatching(/^\d{6}$/), expect.stringMatching(/^\d{8}$/)]);

    await phone.dial(MENU);
    await phone.waitForEstablished();
    await phone.press(`${id}#`);
    await phone.press(`${pin}#`);
    await allHear([
      [memberEar(atAlice, ghost), phone.toneHz],
      [phoneEar(phone), TONES_HZ.alice],
    ]);
    const [call] = await scene.calls(room);
    expect(call).toMatchObject({ state: "active", direction: "inbound", number: "1001" });
    await phone.hangup();
    await until("the call to end", async () => (await isOver()) || undefined);

    await phone.dial(MENU);
    await phone.waitForEstablished();
    await phone.press(`${id}#`);
    // Some of it comes while a PIN is being checked.
    await phone.press("00000000#".repeat(3));
    await phone.waitForClosed(30_000);
    expect(await isOver()).toBe(true);
    expect(await scene.calls(room)).toHaveLength(1);
  },
  TIMEOUT_MS,
);
