/** The stage with the gateway, over one of its SIP engines, in an encrypted room. */
import { mergeTrees } from "../lab/overlay.ts";
import { createCaller, type Dial, until } from "./call.ts";
import { childrenOf, treeOf } from "./processes.ts";
import {
  type Conference,
  type ConferenceOptions,
  openConference,
  type Stage,
  type StageOptions,
  type TalkRoom,
  warmUp,
} from "./stage.ts";

/** More calls than people make, from one user or API token. */
export const LIMITS = {
  policy: { attempts_per_minute: 1000 },
  limits: { calls_per_user: 100, calls: 100, inbound_calls: 100 },
};

const inviteBot: NonNullable<ConferenceOptions["prepareRoom"]> = async ({ lab, roomId, owner }) => {
  const bot = lab.gateway.botUserId;
  const room = `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}`;
  await lab.homeserver.request("POST", `${room}/invite`, { user: owner, body: { user_id: bot } });
  const path = `${room}/state/m.room.member/${encodeURIComponent(bot)}`;
  await until(`the bot to join the room (${lab.log("gateway")})`, async () => {
    const { membership } = await lab.homeserver.request<{ membership: string }>("GET", path, { user: owner });
    return membership === "join";
  });
};

/** The request of which the bars speak: through the API. */
const dialThroughGateway = ({ gateway }: Conference["lab"], { roomId, talker }: TalkRoom): Dial => {
  return async (number) => {
    const { status, body } = await gateway.api("POST", "/api/v1/calls", { room_id: roomId, number });
    if (status !== 201) throw new Error(`the gateway refused the call: ${status} ${JSON.stringify(body)}`);
    const who = String(body["user_id"]);
    const path = `/api/v1/calls/${String(body["call_id"])}`;
    return {
      who,
      describe: async () => {
        const { state, outcome, cause } = (await gateway.api("GET", path)).body;
        return JSON.stringify({ state, outcome, cause });
      },
      waitForEnd: async () => {
        await talker.waitForNoMember(who);
        await until(
          `the end of the call with ${number}`,
          async () => (await gateway.api("GET", path)).body["state"] === "ended",
        );
      },
    };
  };
};

export interface GatewayStage extends Stage {
  gatewayPid(): number;
}

/** A conference in an encrypted room that calls come into through the gateway. Everything ends with `scope`. */
export const openGatewayConference = async (
  scope: AsyncDisposableStack,
  options: StageOptions & Pick<ConferenceOptions, "talkerHears" | "inPlaceOfPbx">,
): Promise<Conference & Pick<Stage, "call" | "rooms">> => {
  const usesLivekitSip = options.engine === "livekit-sip";
  const conference = await openConference(scope, {
    ...options,
    parts: ["gateway", ...(usesLivekitSip ? (["livekit-sip"] as const) : [])],
    encrypted: true,
    prepareRoom: inviteBot,
    gateway: { trunk: usesLivekitSip ? "livekit-sip" : "xivo", config: mergeTrees(LIMITS, options.config ?? {}) },
  });
  const { lab, telephones } = conference;
  const rooms = conference.rooms.map((room) => ({
    ...room,
    call: createCaller(dialThroughGateway(lab, room), room.talker, telephones),
  }));
  return { ...conference, rooms, call: rooms[0]!.call };
};

export const startGatewayStage = async (options: StageOptions): Promise<GatewayStage> => {
  await using scope = new AsyncDisposableStack();
  const conference = await openGatewayConference(scope, options);
  const { lab } = conference;
  await warmUp(conference.rooms, options.progress);
  const sipEngine = options.engine === "livekit-sip" ? "livekit-sip" : "trunk-peer";
  const gatewayPid = (): number => lab.gateway.process().pid;
  const everything = scope.move();
  return {
    ...conference,
    engine: options.engine,
    gatewayPid,
    workerPids: () => childrenOf(gatewayPid()),
    memoryPids: () => treeOf(gatewayPid()),
    allPids: () => [...treeOf(gatewayPid()), ...treeOf(lab.process(sipEngine).pid)],
    [Symbol.asyncDispose]: () => everything.disposeAsync(),
  };
};
