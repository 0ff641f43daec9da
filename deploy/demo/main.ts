/**
 * `npm run demo`: the whole product on one machine. Real Synapse, livekit-server, PBX, phones and Element Call; two people in an
 * encrypted call, one desk phone invited, one outside number added by a command, the desk phone dialling in, one-to-one calls both ways; every side
 * measured at every other side.
 * Exits 0 only if every step held. `--keep` leaves everything running until Ctrl-C.
 */
import { copyFile, mkdir, rm, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";

import { TONES_HZ } from "../lab/audio/tone.ts";
import { writeWav } from "../lab/audio/wav.ts";
import { repositoryFile } from "../lab/context.ts";
import { type ElementCallHost, startElementCallHost } from "../lab/element-call/host.ts";
import { type ElementCallMember, joinElementCall } from "../lab/element-call/member.ts";
import type { LabUser } from "../lab/homeserver.ts";
import { type Lab, startLab } from "../lab/lab.ts";
import { listenForPhoneCommands } from "../lab/phones/console.ts";
import { OUTSIDE_NUMBER } from "../lab/outside-world.ts";
import { createReport, type Report, stepTable, toneTable } from "./report.ts";
import { browserSide, everyoneHearsEveryone, outsideSide, phoneSide } from "./sides.ts";
import { howToGoOn } from "./keep.ts";
import { BOBS_NUMBER, callOneToOne } from "./one-to-one.ts";

const HELP = `npm run demo            runs the demo and stops everything
npm run demo -- --keep  leaves it running and prints addresses for your own browser; Ctrl-C stops everything
npm run demo -- --trunk xivo|xivo-registered|xivo-tls|livekit-sip   the way to the PBX (default xivo)`;

const OUTSIDE_AS_TYPED = "+33 1 40 50 60 70";
const DESK_TILE = "1001";
const DIAL_IN_NUMBER = "8500";
/** The trunks over which the lab's PBX sends it, and the number of a person. */
const DIAL_IN_TRUNKS: readonly string[] = ["xivo", "livekit-sip"];

const { values: options } = parseArgs({
  options: {
    keep: { type: "boolean", default: false },
    trunk: { type: "string", default: "xivo" },
    help: { type: "boolean", default: false },
  },
});
if (options.help) {
  console.log(HELP);
  process.exit(0);
}
const trunk = (["xivo", "xivo-registered", "xivo-tls", "livekit-sip"] as const).find((name) => name === options.trunk);
if (trunk === undefined) {
  console.error(`There is no trunk ${options.trunk}.\n${HELP}`);
  process.exit(2);
}

interface Stage {
  readonly lab: Lab;
  readonly host: ElementCallHost;
  readonly people: Readonly<Record<"alice" | "bob", LabUser>>;
  readonly members: Readonly<Record<"alice" | "bob", ElementCallMember>>;
  readonly roomId: string;
}

/** Undone in reverse order at the end, also after a failure or Ctrl-C. */
const cleanups: (() => Promise<unknown>)[] = [];
const cleanUp = async (): Promise<void> => {
  for (const undo of cleanups.splice(0).reverse()) await undo().catch((error: unknown) => console.error(error));
};

const outFolder = repositoryFile("out/demo");

const setTheStage = async (report: Report): Promise<Stage> => {
  const stage: { -readonly [Key in keyof Stage]?: Stage[Key] } = {};
  await report.step("start the servers and the gateway", async () => {
    const parts = ["gateway", "phones", ...(trunk === "livekit-sip" ? (["livekit-sip"] as const) : [])] as const;
    const lab = await startLab({
      parts: [...parts],
      gateway: { trunk },
      onProgress: (line) => console.log(`       ${line}`),
    });
    cleanups.push(() => lab.stop());
    stage.lab = lab;
    return `logs in ${lab.folder}`;
  });
  const { lab } = stage as Stage;

  await report.step("alice makes an encrypted room with bob and the bot", async () => {
    const alice = await lab.homeserver.createUser("alice", { displayName: "Alice" });
    const bob = await lab.homeserver.createUser("bob", { displayName: "Bob" });
    stage.people = { alice, bob };
    stage.roomId = await lab.homeserver.createRoom({ creator: alice, encrypted: true, name: "Phones", invite: [bob] });
    await inviteBot(lab, alice, stage.roomId);
    const rule = { name: "phones", numbers: [DIAL_IN_NUMBER], room: stage.roomId };
    const person = { name: "bob", numbers: [BOBS_NUMBER], user: bob.userId };
    if (DIAL_IN_TRUNKS.includes(trunk)) await lab.gateway.reconfigure({ dispatch_rules: [rule, person] });
    return stage.roomId;
  });
  const { people, roomId } = stage as Stage;

  await report.step("alice and bob join the call with Element Call", async () => {
    const host = await startElementCallHost({
      homeserverUrl: lab.homeserver.url,
      onProgress: (line) => console.log(`       ${line}`),
    });
    cleanups.push(() => host.close());
    stage.host = host;
    const screenshotSize = { width: 1000, height: 700 };
    const join = (name: "alice" | "bob", microphoneToneHz: number): Promise<ElementCallMember> =>
      joinElementCall({ host, user: people[name], roomId, microphoneToneHz, screenshotSize });
    const alice = await join("alice", TONES_HZ.alice);
    const bob = await join("bob", TONES_HZ.bob);
    stage.members = { alice, bob };
    await everyoneHearsEveryone([browserSide("alice", alice), browserSide("bob", bob)], report);
    return undefined;
  });
  return stage as Stage;
};

/** The bot becomes a moderator, because `!phone add` lets it invite ghosts; resolves when it has joined. */
const inviteBot = async (lab: Lab, owner: LabUser, roomId: string): Promise<void> => {
  const bot = lab.gateway.botUserId;
  const room = `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}`;
  await lab.homeserver.request("POST", `${room}/invite`, { user: owner, body: { user_id: bot } });
  const memberPath = `${room}/state/m.room.member/${encodeURIComponent(bot)}`;
  for (const endMs = performance.now() + 10_000; performance.now() < endMs;) {
    const { membership } = await lab.homeserver.request<{ membership: string }>("GET", memberPath, { user: owner });
    if (membership === "join") return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`the bot ${bot} did not join the room within 10 s; see the gateway's log`);
};

const dialIn = async ({ lab, members: { alice, bob } }: Stage, report: Report): Promise<void> => {
  const desk = lab.phones["1001"];
  const sides = [browserSide("alice", alice), browserSide("bob", bob), phoneSide(desk)];
  await report.step(`1001 dials ${DIAL_IN_NUMBER} and is in the call`, async () => {
    await desk.dial(DIAL_IN_NUMBER);
    await desk.waitForEstablished();
    await Promise.all([alice.waitForTile(DESK_TILE), bob.waitForTile(DESK_TILE)]);
    return undefined;
  });
  await report.step("alice, bob and 1001 hear each other again", () => everyoneHearsEveryone(sides, report));
  await report.step("1001 presses *6: its icon shows that it is muted, and again that it is not", async () => {
    for (const microphone of ["off", "on"] as const) {
      await desk.press("*6");
      await Promise.all([alice, bob].map((member) => member.waitForTile(DESK_TILE, { is: { microphone } })));
    }
    return undefined;
  });
  await report.step("1001 presses *9: its hand is up, and down again", async () => {
    for (const handRaised of [true, false]) {
      await desk.press("*9");
      await Promise.all([alice, bob].map((member) => member.waitForTile(DESK_TILE, { is: { handRaised } })));
    }
    return undefined;
  });
  await report.step("1001 hangs up; nothing of it stays", async () => {
    await desk.hangup();
    await Promise.all([alice.waitForNoTile(DESK_TILE), bob.waitForNoTile(DESK_TILE)]);
    return undefined;
  });
};

const play = async (stage: Stage, report: Report): Promise<void> => {
  const { lab, members } = stage;
  const { alice, bob } = members;
  const desk = lab.phones["1001"];
  const sides = [browserSide("alice", alice), browserSide("bob", bob)];

  await report.step("alice invites the desk phone 1001; it rings", async () => {
    await alice.invite(lab.gateway.ghost("1001"));
    await desk.waitForRinging();
    return undefined;
  });
  await report.step("1001 is picked up and is a tile in both browsers", async () => {
    await desk.answer();
    await Promise.all([alice.waitForTile(DESK_TILE), bob.waitForTile(DESK_TILE)]);
    return undefined;
  });
  await report.step("alice, bob and 1001 hear each other", () =>
    everyoneHearsEveryone([...sides, phoneSide(desk)], report),
  );
  await report.step(`bob writes !phone add ${OUTSIDE_AS_TYPED}; it is a tile`, async () => {
    await bob.sendMessage(`!phone add ${OUTSIDE_AS_TYPED}`);
    await Promise.all([alice.waitForTile(OUTSIDE_AS_TYPED), bob.waitForTile(OUTSIDE_AS_TYPED)]);
    return undefined;
  });
  await report.step("all four hear each other", () =>
    everyoneHearsEveryone([...sides, phoneSide(desk), outsideSide(lab.pbx, OUTSIDE_NUMBER)], report),
  );
  await report.step("screenshot of Element Call with both phones", async () => {
    const file = join(outFolder, "element-call.png");
    await alice.screenshot(file);
    return relative(process.cwd(), file);
  });
  if (options.keep) return;

  await report.step("1001 hangs up; its tile goes", async () => {
    await desk.hangup();
    await Promise.all([alice.waitForNoTile(DESK_TILE), bob.waitForNoTile(DESK_TILE)]);
    return undefined;
  });
  await report.step("bob writes !phone hangup; the other phone is gone", async () => {
    await bob.sendMessage("!phone hangup");
    await Promise.all([alice.waitForNoTile(OUTSIDE_AS_TYPED), bob.waitForNoTile(OUTSIDE_AS_TYPED)]);
    const { body } = await lab.gateway.api("GET", "/api/v1/calls");
    return summaryOfCalls(body);
  });
  if (DIAL_IN_TRUNKS.includes(trunk)) await dialIn(stage, report);
  if (DIAL_IN_TRUNKS.includes(trunk)) await callOneToOne(stage, report);
  await report.step("recordings of every side", async () => {
    for (const [name, member] of [
      ["alice", alice],
      ["bob", bob],
    ] as const) {
      const { pcm, sampleRateHz } = member.recording();
      await writeWav(join(outFolder, `heard-by-${name}.wav`), pcm, sampleRateHz);
    }
    await copyFile(await desk.heardWav(), join(outFolder, "heard-by-1001.wav"));
    const outside = (await lab.pbx.recordings()).findLast(({ number }) => number === OUTSIDE_NUMBER);
    if (outside !== undefined) await copyFile(outside.heardWav, join(outFolder, "heard-by-outside.wav"));
    return relative(process.cwd(), outFolder);
  });
};

const summaryOfCalls = (body: Record<string, unknown>): string => {
  const calls = body["calls"] as readonly { outcome?: string }[];
  return `outcomes: ${calls.map(({ outcome }) => outcome ?? "running").join(", ")}`;
};

const writeSummary = async (report: Report, ok: boolean): Promise<void> => {
  const summary = { ok, trunk, steps: report.steps, tones: report.tones };
  await writeFile(join(outFolder, "summary.json"), `${JSON.stringify(summary, undefined, 2)}\n`);
  console.log(`\n${stepTable(report)}\n\n${toneTable(report)}\n`);
  console.log(`${ok ? "Every step held." : "The demo FAILED."} Files: ${relative(process.cwd(), outFolder)}`);
};

let isKept = false;
const interrupted = new Promise<void>((resolve) => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
});

const run = async (): Promise<number> => {
  await rm(outFolder, { recursive: true, force: true });
  await mkdir(outFolder, { recursive: true });
  const report = createReport((line) => console.log(line));
  let ok = false;
  try {
    const stage = await setTheStage(report);
    await play(stage, report);
    ok = true;
    if (options.keep) {
      console.log(howToGoOn(stage));
      isKept = true;
      const stopListening = listenForPhoneCommands(stage.lab.phones, stage.lab.pbx.soundsFolder);
      await interrupted;
      stopListening();
    }
  } catch {
    // The step that failed has been printed and is in the table.
  }
  await writeSummary(report, ok);
  return ok ? 0 : 1;
};

/** Ctrl-C before the end: no report, only the clean-up. While kept, run() itself waits for it. */
const stoppedEarly = interrupted.then(() => (isKept ? new Promise<number>(() => {}) : 130));
const result = await Promise.race([run(), stoppedEarly]);
await cleanUp();
process.exit(result);
