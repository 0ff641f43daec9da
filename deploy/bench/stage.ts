/** What every measurement starts from: servers, a conference with one member who talks, telephones behind the PBX. */
import { setTimeout as delay } from "node:timers/promises";
import type { LabUser } from "../lab/homeserver.ts";
import { type Lab, type LabPart, startLab } from "../lab/lab.ts";
import { nowMs } from "../lab/member/hearing.ts";
import type { LabMemberOptions } from "../lab/member/member.ts";
import { type LabMemberProcess, spawnLabMember } from "../lab/member/process.ts";
import type { GatewayOptions } from "../lab/servers/gateway.ts";
import { type Call, type CallOptions, TALKER_HZ } from "./call.ts";
import { openTelephones, type Telephones } from "./phones/telephones.ts";

/** How a phone comes into the conference. The last one has no gateway: livekit-sip is told to put it there, unencrypted. */
export const ENGINES = ["asterisk", "livekit-sip", "livekit-sip-direct"] as const;
export type Engine = (typeof ENGINES)[number];

export interface StageOptions {
  readonly engine: Engine;
  readonly progress: (line: string) => void;
  /** Kept with all logs; default: a temporary one. */
  readonly folder?: string;
  /** Merged over the lab's configuration of the gateway. */
  readonly config?: Record<string, unknown>;
}

/** The conference with alice in it, before anybody is called. */
export interface Conference {
  readonly lab: Lab;
  readonly roomId: string;
  /** Made the room. */
  readonly alice: LabUser;
  /** In the room, not in the call. */
  readonly bob: LabUser;
  /** Alice in the call; says TALKER_HZ unless a measurement tells her something else. */
  readonly talker: LabMemberProcess;
  readonly telephones: Telephones;
  join(user: LabUser, options?: Partial<LabMemberOptions>): Promise<LabMemberProcess>;
}

export interface Stage extends Conference, AsyncDisposable {
  readonly engine: Engine;
  /** Calls a number into the conference, which waits for it at a telephone of its own. */
  call(options: CallOptions): Promise<Call>;
  /** Media workers of the gateway; none without a gateway. */
  workerPids(): number[];
  /** What memory is counted of: gateway and workers, or livekit-sip. */
  memoryPids(): number[];
  /** What CPU is counted of: the same and the SIP engine. */
  allPids(): number[];
}

/** Each bar is for a call that is older than that: js-sdk keeps a new key for 10 s. */
const CALL_AGE_MS = 10_500;
const WARM_UP_CALLS = 2;

export interface ConferenceOptions extends Pick<StageOptions, "folder"> {
  readonly parts: LabPart[];
  readonly encrypted: boolean;
  readonly gateway?: GatewayOptions;
  /** Default true. Not hearing anybody, alice costs the same whatever the number of phones. */
  readonly talkerHears?: boolean;
  /** Before alice joins the call. */
  readonly prepareRoom?: (room: Pick<Conference, "lab" | "roomId" | "alice">) => Promise<void>;
}

/** Starts the servers; alice makes a room and joins its call. Everything ends with `scope`. */
export const openConference = async (
  scope: AsyncDisposableStack,
  { parts, encrypted, folder, gateway = {}, talkerHears = true, prepareRoom }: ConferenceOptions,
): Promise<Conference> => {
  const lab = scope.use(await startLab({ parts, gateway, ...(folder === undefined ? {} : { folder }) }));
  const telephones = await openTelephones(lab.ports.telephones, lab.ports.pbxSip);
  scope.defer(() => telephones.close());
  const [alice, bob] = await Promise.all([lab.homeserver.createUser("alice"), lab.homeserver.createUser("bob")]);
  const roomId = await lab.homeserver.createRoom({ creator: alice, encrypted, name: "Bench", invite: [bob] });
  await prepareRoom?.({ lab, roomId, alice });
  const join: Conference["join"] = (user, options) =>
    spawnLabMember({ homeserverUrl: lab.homeserver.url, user, roomId, keepMs: 5000, ...options });
  const talker = scope.use(await join(alice, { hears: talkerHears }));
  await talker.publishTone(TALKER_HZ);
  return { lab, roomId, alice, bob, talker, telephones, join };
};

/** Some calls, so that nothing of what is measured happens for the first time; then the conference gets old enough. */
export const warmUp = async (call: Stage["call"], progress: StageOptions["progress"]): Promise<void> => {
  const startedAtMs = nowMs();
  for (let i = 0; i < WARM_UP_CALLS; i++) {
    const warm = await call({ ringMs: 0 });
    await warm.heardByAll();
    await warm.end();
  }
  await delay(Math.max(0, startedAtMs + CALL_AGE_MS - nowMs()));
  progress("everything is warm, the conference older than 10 s");
};
