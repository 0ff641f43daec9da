import type { LabUser } from "../../../deploy/lab/homeserver.ts";
import { type Lab, type LabOptions, type LabPart, startLab } from "../../../deploy/lab/lab.ts";
import type { LabMemberOptions } from "../../../deploy/lab/member/member.ts";
import { type LabMemberProcess, spawnLabMember } from "../../../deploy/lab/member/process.ts";
import { mergeTrees } from "../../../deploy/lab/overlay.ts";
import type { GatewayOptions } from "../../../deploy/lab/servers/gateway.ts";
import { type GhostInRoom, leftOf, roomMembership } from "./leftovers.ts";
import { until } from "./until.ts";

/** Nothing of a phone is left so long after it hung up (issue 3). */
export const GONE_WITHIN_MS = 2000;

/** The call as the API tells it. */
export interface ApiCall {
  readonly call_id: string;
  readonly room_id: string;
  readonly user_id: string;
  readonly number: string;
  readonly state: string;
  readonly outcome: string | null;
  readonly cause: { readonly sip_status: number | null; readonly text: string | null } | null;
  readonly added_by: Record<string, string>;
  readonly answered_at: string | null;
  readonly ended_at: string | null;
}

/** The whole stack with the gateway as an administrator would start it, and what tests of calls do again and again. */
export interface Scene {
  readonly lab: Lab;
  /** May dial internal and national numbers. */
  readonly alice: LabUser;
  readonly bob: LabUser;
  /** May dial nothing. */
  readonly carol: LabUser;
  /** A new room of alice with bob and carol; the bot is there unless told otherwise. */
  createRoom(options: { encrypted: boolean; bot?: boolean; powerLevels?: Record<string, unknown> }): Promise<string>;
  inviteBot(roomId: string): Promise<void>;
  /** A member in the call that says a tone. */
  join(user: LabUser, roomId: string, toneHz: number, options?: Partial<LabMemberOptions>): Promise<LabMemberProcess>;
  addByApi(roomId: string, number: string, headers?: Record<string, string>): Promise<ApiCall>;
  call(callId: string): Promise<ApiCall>;
  /** Newest first. */
  calls(roomId: string): Promise<ApiCall[]>;
  /** The newest call of a room when it is in that state. */
  waitForState(roomId: string, state: string, withinMs?: number): Promise<ApiCall>;
  /** The call when it has ended. */
  waitForEnd(callId: string, withinMs?: number): Promise<ApiCall>;
  /** Membership, SFU participant, device, delayed leave, channels and leg room are all gone within 2 s of `sinceMs` (performance.now). */
  expectNothingLeft(what: GhostInRoom, sinceMs: number, counts?: (left: string) => boolean): Promise<void>;
  waitForRoomMembership(what: GhostInRoom, membership: string, withinMs?: number): Promise<void>;
  /** Ends what a failed test may have left, so that the next one begins with idle phones. */
  reset(): Promise<void>;
  stop(): Promise<void>;
}

export interface SceneOptions extends GatewayOptions {
  readonly parts?: LabPart[];
  readonly rateLimits?: LabOptions["rateLimits"];
  readonly synapse?: Record<string, unknown>;
  readonly onProgress?: (line: string) => void;
}

/** Tests make more calls in a minute than a person may. */
const TEST_LIMITS = {
  policy: { attempts_per_minute: 1000 },
  limits: { calls_per_user: 10, calls: 20 },
  logging: { level: "debug" },
};

export async function startScene(options: SceneOptions = {}): Promise<Scene> {
  const { parts = [], rateLimits = "lab", synapse, onProgress, ...gateway } = options;
  // For looking at logs after a failure: the folder is kept when it is named.
  const folder = process.env["E2E_FOLDER"];
  const lab = await startLab({
    parts: ["gateway", "phones", ...parts],
    rateLimits,
    ...(synapse === undefined ? {} : { synapse }),
    gateway: { ...gateway, config: mergeTrees(TEST_LIMITS, gateway.config ?? {}) },
    ...(folder === undefined ? {} : { folder }),
    ...(onProgress === undefined ? {} : { onProgress }),
  });
  try {
    const [alice, bob, carol] = await Promise.all([
      lab.homeserver.createUser("alice", { displayName: "Alice" }),
      lab.homeserver.createUser("bob", { displayName: "Bob" }),
      lab.homeserver.createUser("carol", { displayName: "Carol" }),
    ]);
    return createScene(lab, { alice, bob, carol });
  } catch (error) {
    await lab.stop();
    throw error;
  }
}

type People = Readonly<Record<"alice" | "bob" | "carol", LabUser>>;

function createScene(lab: Lab, people: People): Scene {
  const { alice, bob, carol } = people;
  const { homeserver } = lab;

  const inviteBot: Scene["inviteBot"] = async (roomId) => {
    const bot = lab.gateway.botUserId;
    const path = `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/invite`;
    await homeserver.request("POST", path, { user: alice, body: { user_id: bot } });
    await until(`the bot to join ${roomId}`, async () =>
      (await roomMembership(lab, roomId, bot, alice)) === "join" ? true : undefined,
    );
  };
  const api = async <T>(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<T> => {
    const answer = await lab.gateway.api(method, path, body, headers);
    if (answer.status >= 400) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body as T;
  };
  const calls: Scene["calls"] = async (roomId) =>
    (await api<{ calls: ApiCall[] }>("GET", `/api/v1/calls?room_id=${encodeURIComponent(roomId)}`)).calls;

  const call: Scene["call"] = (callId) => api("GET", `/api/v1/calls/${callId}`);

  return {
    lab,
    ...people,
    inviteBot,
    createRoom: async ({ encrypted, bot = true, powerLevels = {} }) => {
      const roomId = await homeserver.createRoom({
        creator: alice,
        encrypted,
        name: "Call",
        invite: [bob, carol],
        powerLevels,
      });
      if (bot) await inviteBot(roomId);
      return roomId;
    },
    join: async (user, roomId, toneHz, options = {}) => {
      const member = await spawnLabMember({ homeserverUrl: homeserver.url, user, roomId, ...options });
      if (options.joinLater !== true) await member.publishTone(toneHz);
      return member;
    },
    addByApi: (roomId, number, headers) => api("POST", "/api/v1/calls", { room_id: roomId, number }, headers),
    call,
    calls,
    waitForState: (roomId, state, withinMs = 10_000) => {
      let seen: ApiCall | undefined;
      return until(
        `a call in state ${state}`,
        async () => {
          [seen] = await calls(roomId);
          return seen?.state === state ? seen : undefined;
        },
        { withinMs, seen: () => seen ?? "no call" },
      );
    },
    waitForEnd: (callId, withinMs = 20_000) => {
      let seen: ApiCall | undefined;
      return until(
        "the call to end",
        async () => {
          seen = await call(callId);
          return seen.state === "ended" ? seen : undefined;
        },
        { withinMs, seen: () => seen },
      );
    },
    expectNothingLeft: async (what, sinceMs, counts = () => true) => {
      let seen: string[] = [];
      await until(
        `nothing to be left of ${what.ghost}`,
        async () => {
          seen = (await leftOf(lab, what)).filter(counts);
          return seen.length === 0 ? true : undefined;
        },
        { withinMs: sinceMs + GONE_WITHIN_MS - performance.now(), seen: () => seen },
      );
    },
    waitForRoomMembership: async ({ roomId, ghost, witness }, membership, withinMs = 10_000) => {
      let seen = "";
      await until(
        `${ghost} to be "${membership}" in the room`,
        async () => {
          seen = await roomMembership(lab, roomId, ghost, witness);
          return seen === membership ? true : undefined;
        },
        { withinMs, seen: () => seen },
      );
    },
    reset: async () => {
      for (const phone of Object.values(lab.phones)) {
        phone.answerMode = "manual";
        if (phone.state === "idle") continue;
        await phone.hangup();
        await phone.waitForClosed();
      }
    },
    stop: () => lab.stop(),
  };
}
