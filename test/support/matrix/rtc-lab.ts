import { randomBytes, randomInt } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Lab, startLab } from "../../../deploy/lab/lab.ts";
import type { LabUser } from "../../../deploy/lab/homeserver.ts";
import type { MediaKey, RtcFact } from "../../../src/calls/ports.ts";
import {
  callId,
  ghostUserId,
  roomId,
  type CallId,
  type DeviceId,
  type GhostUserId,
  type RoomId,
} from "../../../src/ids.ts";
import { createCrossSigning, type IdentityStore } from "../../../src/matrix/crypto/cross-signing.ts";
import type { SealingKey } from "../../../src/matrix/crypto/sealed-box.ts";
import { createHomeserver, matrixPath, type Homeserver } from "../../../src/matrix/homeserver.ts";
import { createRtc, type Rtc, type RtcDeps } from "../../../src/matrix/rtc/rtc.ts";
import type { RtcCounter } from "../../../src/matrix/rtc/session-context.ts";
import { createTestLog, type LogLine } from "../log.ts";
import { createRecorder, type Recorder } from "../recorder.ts";
import { startMember, type Member } from "./member.ts";

const AS_TOKEN = "as-token-of-the-test";
const BOT = "phonebot";

const registration = (): string =>
  JSON.stringify({
    id: "gateway-test",
    url: null,
    as_token: AS_TOKEN,
    hs_token: "hs-token-of-the-test",
    sender_localpart: "gateway-internal",
    rate_limited: false,
    namespaces: {
      users: [
        { exclusive: true, regex: "@tel_.*" },
        { exclusive: true, regex: `@${BOT}:.*` },
      ],
      aliases: [],
      rooms: [],
    },
    "io.element.msc4190": true,
  });

export interface RtcLab extends AsyncDisposable {
  readonly lab: Lab;
  readonly homeserver: Homeserver;
  readonly bot: LabUser;
  newGhost(): GhostUserId;
  member(user: LabUser): Promise<Member>;
  /** What the homeserver has of a ghost, asked as the ghost. */
  stateOf(
    room: RoomId,
    ghost: GhostUserId,
  ): Promise<readonly { state_key: string; content: Record<string, unknown> }[]>;
  membershipOf(room: RoomId, ghost: GhostUserId, asUser: LabUser): Promise<string>;
  devicesOf(ghost: GhostUserId): Promise<readonly string[]>;
  delayedOf(ghost: GhostUserId): Promise<readonly unknown[]>;
}

/** Synapse, LiveKit and the token service, with the gateway registered as an application service. */
export const startRtcLab = async (): Promise<RtcLab> => {
  const folder = await mkdtemp(join(tmpdir(), "mrtc-rtc-"));
  const registrationFile = join(folder, "registration.yaml");
  await writeFile(registrationFile, registration());
  const lab = await startLab({ parts: ["token-service"], registrationFiles: [registrationFile] });
  const homeserver = createHomeserver({ url: lab.homeserver.url, asToken: AS_TOKEN });
  const { serverName } = lab.homeserver;
  const register = async (username: string): Promise<void> => {
    await homeserver.request({
      method: "POST",
      path: matrixPath("client/v3", "register"),
      body: { type: "m.login.application_service", username, inhibit_login: true },
    });
  };
  await register(BOT);
  const bot = { userId: `@${BOT}:${serverName}`, accessToken: AS_TOKEN, deviceId: "", password: "" };
  return {
    lab,
    homeserver,
    bot,
    newGhost: () => ghostUserId(`@tel_+3314${randomInt(1_000_000, 9_999_999)}:${serverName}`),
    member: (user) => startMember(lab.homeserver.url, lab.tokenService.url, user),
    stateOf: async (room, ghost) => {
      const state = (await homeserver.request({
        method: "GET",
        path: matrixPath("client/v3", "rooms", room, "state"),
        as: { userId: ghost },
      })) as { type: string; sender: string; state_key: string; content: Record<string, unknown> }[];
      return state.filter(({ type, sender }) => type === "org.matrix.msc3401.call.member" && sender === ghost);
    },
    membershipOf: async (room, ghost, asUser) => {
      const path = `/_matrix/client/v3/rooms/${encodeURIComponent(room)}/state/m.room.member/${encodeURIComponent(ghost)}`;
      return (await lab.homeserver.request<{ membership: string }>("GET", path, { user: asUser })).membership;
    },
    devicesOf: async (ghost) => {
      const answer = await homeserver.request({
        method: "GET",
        path: matrixPath("client/v3", "devices"),
        as: { userId: ghost },
      });
      return (answer as { devices: { device_id: string }[] }).devices.map(({ device_id }) => device_id);
    },
    delayedOf: async (ghost) => {
      const answer = await homeserver.request({
        method: "GET",
        path: matrixPath("client/unstable", "org.matrix.msc4140", "delayed_events"),
        as: { userId: ghost },
      });
      return (answer as { delayed_events: unknown[] }).delayed_events;
    },
    [Symbol.asyncDispose]: async () => {
      await lab.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
};

export interface TestGateway {
  readonly rtc: Rtc;
  readonly deps: RtcDeps;
  readonly keys: Recorder<{
    readonly call: CallId;
    readonly identity: string;
    readonly index: number;
    readonly key: string;
  }>;
  readonly counters: Recorder<RtcCounter>;
  readonly unreadable: Recorder<string>;
  /** Members on another SFU. */
  readonly elsewhere: Recorder<string>;
  readonly logLines: readonly LogLine[];
}

export const createMemoryIdentityStore = (): IdentityStore => {
  const rows = new Map<string, Uint8Array>();
  return { load: (ghost) => rows.get(ghost), save: (ghost, sealed) => void rows.set(ghost, sealed) };
};

const ensureGhost =
  (homeserver: Homeserver): RtcDeps["ensureGhost"] =>
  async (ghost, displayName) => {
    const username = ghost.slice(1, ghost.indexOf(":"));
    const registering = homeserver.request({
      method: "POST",
      path: matrixPath("client/v3", "register"),
      body: { type: "m.login.application_service", username, inhibit_login: true },
    });
    await registering.catch((error: { errcode?: string }) => {
      if (error.errcode !== "M_USER_IN_USE") throw error;
    });
    await homeserver.request({
      method: "PUT",
      path: matrixPath("client/v3", "profile", ghost, "displayname"),
      body: { displayname: displayName },
      as: { userId: ghost },
    });
  };

/** The gateway's Matrix session part on a lab. */
export const createTestGateway = (rtcLab: RtcLab, options: Partial<RtcDeps> = {}): TestGateway => {
  const { homeserver, lab, bot } = rtcLab;
  const keys: TestGateway["keys"] = createRecorder();
  const counters = createRecorder<RtcCounter>();
  const unreadable = createRecorder<string>();
  const elsewhere = createRecorder<string>();
  const { log, lines } = createTestLog();
  const deps: RtcDeps = {
    homeserver,
    log,
    crossSigning: createCrossSigning({
      homeserver,
      store: createMemoryIdentityStore(),
      sealingKey: new Uint8Array(randomBytes(32)) as SealingKey,
    }),
    ensureGhost: ensureGhost(homeserver),
    inviteAsBot: async (room, ghost) => {
      const path = `/_matrix/client/v3/rooms/${encodeURIComponent(room)}/invite?user_id=${encodeURIComponent(bot.userId)}`;
      await lab.homeserver.request("POST", path, { user: bot, body: { user_id: ghost } });
    },
    isGhost: (user) => user.startsWith("@tel_"),
    delayedEventsSupported: () => true,
    onMediaKey: (call: CallId, { identity, index, key }: MediaKey) =>
      keys.push({ call, identity, index, key: Buffer.from(key).toString("hex") }),
    onMembers: () => {},
    onUnreadableMember: (_call, _room, user) => unreadable.push(user),
    onOtherSfuMember: (_call, _room, user) => elsewhere.push(user),
    onCount: (counter) => counters.push(counter),
    ...options,
  };
  return { rtc: createRtc(deps), deps, keys, counters, unreadable, elsewhere, logLines: lines };
};

/** A call of one ghost; facts are recorded. */
export const newCall = (
  room: string,
  ghost: GhostUserId,
): {
  readonly request: { callId: CallId; roomId: RoomId; ghost: GhostUserId; displayName: string; inviteFirst: boolean };
  readonly facts: Recorder<RtcFact>;
} => ({
  request: {
    callId: callId(`call-${randomBytes(4).toString("hex")}`),
    roomId: roomId(room),
    ghost,
    displayName: "+33 1 40 50 60 70",
    inviteFirst: true,
  },
  facts: createRecorder<RtcFact>(),
});

export const deviceOf = (identity: string): DeviceId => identity.slice(identity.lastIndexOf(":") + 1) as DeviceId;

/** Invites the bot, which must be able to invite ghosts, and lets it join. */
export const createCallRoom = async (
  rtcLab: RtcLab,
  options: Parameters<Lab["homeserver"]["createRoom"]>[0],
): Promise<RoomId> => {
  const { lab, bot, homeserver } = rtcLab;
  const room = await lab.homeserver.createRoom(options);
  await lab.homeserver.request("POST", `/_matrix/client/v3/rooms/${encodeURIComponent(room)}/invite`, {
    user: options.creator,
    body: { user_id: bot.userId },
  });
  await homeserver.request({
    method: "POST",
    path: matrixPath("client/v3", "join", room),
    body: {},
    as: { userId: bot.userId as GhostUserId },
  });
  return roomId(room);
};
