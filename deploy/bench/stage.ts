/** What every measurement starts from: servers, a conference with one member who talks, telephones behind the PBX. */
import { setTimeout as delay } from "node:timers/promises";
import type { LabUser } from "../lab/homeserver.ts";
import { type Lab, type LabPart, startLab } from "../lab/lab.ts";
import { nowMs } from "../lab/member/hearing.ts";
import type { LabMemberOptions } from "../lab/member/member.ts";
import { type LabMemberProcess, spawnLabMember } from "../lab/member/process.ts";
import type { LabPorts } from "../lab/ports.ts";
import type { GatewayOptions } from "../lab/servers/gateway.ts";
import { type Call, type CallOptions, TALKER_HZ } from "./call.ts";
import { type Callers, openCallers } from "./phones/callers.ts";
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
  /** Conferences, each in a room of its own; default 1. */
  readonly rooms?: number;
}

/** A room in whose call a member says TALKER_HZ, unless a measurement tells them something else. */
export interface TalkRoom {
  readonly roomId: string;
  readonly talker: LabMemberProcess;
}

/** The conference with alice in it, before anybody is called. */
export interface Conference extends TalkRoom {
  readonly lab: Lab;
  /** This one first. While the key of one talker gets old, others are called into. */
  readonly rooms: readonly TalkRoom[];
  /** Made the room. */
  readonly alice: LabUser;
  /** In the room, not in the call. */
  readonly bob: LabUser;
  readonly telephones: Telephones;
  readonly callers: Callers;
  join(user: LabUser, options?: Partial<LabMemberOptions>): Promise<LabMemberProcess>;
}

export interface CallRoom extends TalkRoom {
  /** Calls a number into the conference, which waits for it at a telephone of its own. */
  call(options: CallOptions): Promise<Call>;
}

export interface Stage extends Conference, CallRoom, AsyncDisposable {
  readonly engine: Engine;
  readonly rooms: readonly CallRoom[];
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
/** What a member remembers of what it heard. */
const KEPT_AUDIO_MS = 5000;

export interface ConferenceOptions extends Pick<StageOptions, "folder" | "rooms"> {
  readonly parts: LabPart[];
  readonly encrypted: boolean;
  readonly gateway?: GatewayOptions;
  /** Default: everybody. `false`, or these phones only: then alice costs the same whatever the number of phones. */
  readonly talkerHears?: false | readonly string[];
  /** What is at the gateway's trunk instead of the PBX: that of a site is another machine. */
  readonly inPlaceOfPbx?: "telephones" | "callers";
  /** Before anybody joins the call. */
  readonly prepareRoom?: (room: Pick<Conference, "lab" | "roomId"> & { readonly owner: LabUser }) => Promise<void>;
}

const close = (phones: { close(): void }): void => phones.close();

/** Starts the servers; alice makes the rooms and joins their calls. Everything ends with `scope`. */
export const openConference = async (scope: AsyncDisposableStack, options: ConferenceOptions): Promise<Conference> => {
  const { parts, encrypted, folder, gateway = {}, prepareRoom, rooms: count = 1 } = options;
  const { talkerHears, inPlaceOfPbx } = options;
  let telephones: Telephones | undefined;
  let callers: Callers | undefined;
  const openInPlace = {
    telephones: async ({ pbxSip, trunkPeerSip }: LabPorts): Promise<void> => {
      telephones = scope.adopt(await openTelephones(pbxSip, trunkPeerSip), close);
    },
    callers: async ({ pbxSip, trunkPeerSip }: LabPorts): Promise<void> => {
      callers = scope.adopt(await openCallers(trunkPeerSip, pbxSip), close);
    },
  };
  const lab = scope.use(
    await startLab({
      parts,
      gateway,
      ...(inPlaceOfPbx !== undefined && { inPlaceOfPbx: openInPlace[inPlaceOfPbx] }),
      ...(folder === undefined ? {} : { folder }),
    }),
  );
  telephones ??= scope.adopt(await openTelephones(lab.ports.telephones, lab.ports.pbxSip), close);
  callers ??= scope.adopt(await openCallers(lab.ports.pbxSip), close);
  const [alice, bob] = await Promise.all([lab.homeserver.createUser("alice"), lab.homeserver.createUser("bob")]);
  const homeserverUrl = lab.homeserver.url;
  const openRoom = async (owner: LabUser): Promise<TalkRoom> => {
    const roomId = await lab.homeserver.createRoom({ creator: owner, encrypted, name: "Bench", invite: [bob] });
    await prepareRoom?.({ lab, roomId, owner });
    const hears = talkerHears && talkerHears.map((number) => lab.gateway.ghost(number));
    const talker = scope.use(
      await spawnLabMember({
        homeserverUrl,
        user: owner,
        roomId,
        keepMs: KEPT_AUDIO_MS,
        ...(hears !== undefined && { hears }),
      }),
    );
    await talker.publishTone(TALKER_HZ);
    return { roomId, talker };
  };
  const first = await openRoom(alice);
  const rooms = [first];
  while (rooms.length < count) {
    // Somebody else: each of alice's devices would hear of every phone.
    rooms.push(await openRoom(await lab.homeserver.createUser(`talker-${rooms.length}`)));
  }
  const { roomId } = first;
  const join: Conference["join"] = (user, options) =>
    spawnLabMember({ homeserverUrl, user, roomId, keepMs: KEPT_AUDIO_MS, ...options });
  return { ...first, lab, rooms, alice, bob, telephones, callers, join };
};

/** Some calls, so that nothing of what is measured happens for the first time; then the conferences get old enough. */
export const warmUp = async (rooms: readonly CallRoom[], progress: StageOptions["progress"]): Promise<void> => {
  const startedAtMs = nowMs();
  for (const room of rooms) {
    for (let i = 0; i < WARM_UP_CALLS; i++) {
      const warm = await room.call({ ringMs: 0 });
      await warm.heardByAll();
      await warm.end();
    }
  }
  await delay(Math.max(0, startedAtMs + CALL_AGE_MS - nowMs()));
  progress("everything is warm, the conference older than 10 s");
};
