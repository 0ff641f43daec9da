/** What every measurement starts from: the lab with a warm gateway, a conference with one member who talks, telephones behind the PBX. */
import { setTimeout as delay } from "node:timers/promises";
import { TONES_HZ } from "../lab/audio/tone.ts";
import type { LabUser } from "../lab/homeserver.ts";
import { type Lab, startLab } from "../lab/lab.ts";
import { nowMs } from "../lab/member/hearing.ts";
import type { LabMemberOptions } from "../lab/member/member.ts";
import { type LabMemberProcess, spawnLabMember } from "../lab/member/process.ts";
import { mergeTrees } from "../lab/overlay.ts";
import { type Call, createCaller } from "./call.ts";
import { openTelephones, type Telephones } from "./phones/telephones.ts";
import { childrenOf, treeOf } from "./processes.ts";

export type Engine = "asterisk" | "livekit-sip";

export interface StageOptions {
  readonly engine: Engine;
  readonly progress: (line: string) => void;
  /** Kept with all logs; default: a temporary one. */
  readonly folder?: string;
  /** Merged over the lab's configuration of the gateway. */
  readonly config?: Record<string, unknown>;
}

export interface Stage extends AsyncDisposable {
  readonly lab: Lab;
  readonly engine: Engine;
  readonly roomId: string;
  /** Made the room. */
  readonly alice: LabUser;
  /** In the room, not in the call. */
  readonly bob: LabUser;
  /** Alice in the call; says TALKER_HZ unless a measurement tells her something else. */
  readonly talker: LabMemberProcess;
  readonly telephones: Telephones;
  /** Asks the gateway to add the number, which waits for it at a telephone of its own. */
  call(options: { ringMs: number; number?: string; toneHz?: number }): Promise<Call>;
  join(user: LabUser, options?: Partial<LabMemberOptions>): Promise<LabMemberProcess>;
  gatewayPid(): number;
  workerPids(): number[];
  /** Gateway with its workers. */
  gatewayPids(): number[];
  /** Gateway, workers and the SIP engine (its Asterisk, or livekit-sip). */
  allPids(): number[];
}

export const TALKER_HZ = TONES_HZ.alice;
export const TELEPHONE_HZ = TONES_HZ.outside;

/** More calls than people make, from one API token. */
const LIMITS = { policy: { attempts_per_minute: 1000 }, limits: { calls_per_user: 100, calls: 100 } };
/** Each bar is for a call that is older than that: js-sdk keeps a new key for 10 s. */
const CALL_AGE_MS = 10_500;
const WARM_UP_CALLS = 2;

const inviteBot = async (lab: Lab, owner: LabUser, roomId: string): Promise<void> => {
  const bot = lab.gateway.botUserId;
  const room = `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}`;
  await lab.homeserver.request("POST", `${room}/invite`, { user: owner, body: { user_id: bot } });
  const path = `${room}/state/m.room.member/${encodeURIComponent(bot)}`;
  for (const endMs = nowMs() + 10_000; nowMs() < endMs; await delay(50)) {
    const { membership } = await lab.homeserver.request<{ membership: string }>("GET", path, { user: owner });
    if (membership === "join") return;
  }
  throw new Error(`the bot did not join the room within 10 s; see ${lab.log("gateway")}`);
};

/** Starts everything and makes two calls, so that nothing of what is measured happens for the first time. */
export const startStage = async ({ engine, progress, folder, config = {} }: StageOptions): Promise<Stage> => {
  await using started = new AsyncDisposableStack();
  const livekitSip = engine === "livekit-sip";
  const lab = started.use(
    await startLab({
      parts: ["gateway", ...(livekitSip ? (["livekit-sip"] as const) : [])],
      ...(folder === undefined ? {} : { folder }),
      gateway: { trunk: livekitSip ? "livekit-sip" : "xivo", config: mergeTrees(LIMITS, config) },
    }),
  );
  const telephones = await openTelephones(lab.ports.telephones, lab.ports.pbxSip);
  started.defer(() => telephones.close());
  const [alice, bob] = await Promise.all([lab.homeserver.createUser("alice"), lab.homeserver.createUser("bob")]);
  const roomId = await lab.homeserver.createRoom({ creator: alice, encrypted: true, name: "Bench", invite: [bob] });
  await inviteBot(lab, alice, roomId);
  const join: Stage["join"] = (user, options) =>
    spawnLabMember({ homeserverUrl: lab.homeserver.url, user, roomId, keepMs: 5000, ...options });
  const talker = started.use(await join(alice));
  await talker.publishTone(TALKER_HZ);
  const inCallSinceMs = nowMs();
  const caller = createCaller({ lab, roomId, talker, telephones });

  const gatewayPid = (): number => lab.gateway.process().pid;
  const gatewayPids = (): number[] => treeOf(gatewayPid());
  for (let i = 0; i < WARM_UP_CALLS; i++) {
    const call = await caller.call({ ringMs: 0 });
    await call.heardByAll();
    await call.end();
  }
  await delay(Math.max(0, inCallSinceMs + CALL_AGE_MS - nowMs()));
  progress("the gateway is warm, the conference older than 10 s");
  const everything = started.move();
  return {
    lab,
    engine,
    roomId,
    alice,
    bob,
    talker,
    telephones,
    call: (options) => caller.call(options),
    join,
    gatewayPid,
    workerPids: () => childrenOf(gatewayPid()),
    gatewayPids,
    allPids: () => [...gatewayPids(), ...treeOf(lab.process(livekitSip ? "livekit-sip" : "trunk-peer").pid)],
    [Symbol.asyncDispose]: () => everything.disposeAsync(),
  };
};
