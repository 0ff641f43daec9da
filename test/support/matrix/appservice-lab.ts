import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import express, { type RequestHandler } from "express";
import type { Lab } from "../../../deploy/lab/lab.ts";
import { startLab } from "../../../deploy/lab/lab.ts";
import type { LabUser } from "../../../deploy/lab/homeserver.ts";
import type { WaitingCaller } from "../../../src/calls/moderation-ports.ts";
import type { AddPhone, CallRecord, CallService } from "../../../src/calls/ports.ts";
import { createConferences } from "../../../src/dialin/conferences.ts";
import { createPinHasher } from "../../../src/dialin/pin-hash.ts";
import { callId, ghostUserId, legId, roomId, userId, type GhostUserId, type RoomId } from "../../../src/ids.ts";
import { createAppservice, type Appservice } from "../../../src/matrix/appservice/appservice.ts";
import { createNamespace } from "../../../src/matrix/appservice/namespace.ts";
import { createRegistration, registrationYaml } from "../../../src/matrix/appservice/registration.ts";
import { createCrossSigning } from "../../../src/matrix/crypto/cross-signing.ts";
import type { SealingKey } from "../../../src/matrix/crypto/sealed-box.ts";
import { createHomeserver, matrixPath, type Homeserver } from "../../../src/matrix/homeserver.ts";
import { ghostOf } from "../../../src/numbering/ghost-id.ts";
import { parseNumber } from "../../../src/numbering/parse.ts";
import { createPolicy } from "../../../src/policy/policy.ts";
import { openStore } from "../../../src/store/store.ts";
import { createTestLog, type LogLine } from "../log.ts";
import { createRecorder, type Recorder } from "../recorder.ts";
import { createMemoryGhostStore } from "./ghost-store.ts";
import { createMemoryIdentityStore } from "./rtc-lab.ts";

export const PLAN = { country: "FR", extensionPatterns: ["1XXX"] };
export const DIALIN_NUMBER = "+33 1 40 50 60 80";
export const HS_TOKEN = "hs-token-of-the-test";

/** The calls as the appservice knows them: what it asks for is recorded, `answer` decides. */
export interface FakeCalls extends CallService {
  readonly added: Recorder<AddPhone>;
  readonly removed: Recorder<{ room: RoomId; ghost: GhostUserId; reason: string }>;
  answer: (request: AddPhone) => Promise<CallRecord>;
  running: CallRecord[];
  /** Callers at the door. */
  waiting: WaitingCaller[];
}

const createFakeCalls = (serverName: string): FakeCalls => {
  const added = createRecorder<AddPhone>();
  const removed = createRecorder<{ room: RoomId; ghost: GhostUserId; reason: string }>();
  const calls: FakeCalls = {
    added,
    removed,
    running: [],
    waiting: [],
    answer: async (request) => {
      const number = parseNumber(request.number, PLAN);
      const record: CallRecord = {
        callId: callId("call-1"),
        legId: legId("leg-1"),
        direction: "outbound",
        roomId: request.roomId,
        ghost: ghostOf(number, serverName),
        number,
        subject: request.subject,
        state: "alerting",
        createdAtMs: Date.now(),
      };
      calls.running.push(record);
      return record;
    },
    add: (request) => {
      added.push(request);
      return calls.answer(request);
    },
    hangup: async ({ callId: id }) => {
      const record = calls.running.find((call) => call.callId === id);
      if (record === undefined) throw new Error("no such call");
      calls.running = calls.running.filter((call) => call !== record);
      return { ...record, state: "ended" };
    },
    press: async () => undefined,
    transfer: async () => undefined,
    inRoom: (room) => calls.running.filter((call) => call.roomId === room),
    get: (id) => calls.running.find((call) => call.callId === id),
    list: () => calls.running,
    waitingPhones: () => [],
    moderate: async ({ callId: id }) => {
      const record = calls.running.find((call) => call.callId === id);
      if (record === undefined) throw new Error("no such call");
      return record;
    },
    lock: async () => {},
    atDoor: (room) => calls.waiting.filter((caller) => caller.roomId === room),
    answerDoor: async ({ legId: leg }) => {
      calls.waiting = calls.waiting.filter((caller) => caller.legId !== leg);
    },
    ghostInvited: () => false,
    ghostRemoved: (room, ghost, reason) => removed.push({ room, ghost, reason }),
    shutdown: async () => {},
  };
  return calls;
};

export interface TransactionSeen {
  readonly path: string;
  readonly status: number;
}

export interface RunningAppservice {
  readonly appservice: Appservice;
  readonly calls: FakeCalls;
}

export interface AppserviceLab extends RunningAppservice, AsyncDisposable {
  readonly lab: Lab;
  readonly homeserver: Homeserver;
  /** A second one in place of the first, which was stopped. */
  startAgain(): Promise<RunningAppservice>;
  readonly url: string;
  readonly botId: string;
  readonly logLines: readonly LogLine[];
  /** What Synapse asked of us and what we answered. */
  readonly requests: Recorder<TransactionSeen>;
  readonly unreadable: Recorder<{ room: RoomId; count: number }>;
  /** Whether phones get into the room with this PIN. */
  isPinOf(room: string, pin: string): Promise<boolean>;
  ghost(digits: string): GhostUserId;
  /** The membership event of a user, as somebody in the room sees it. */
  memberOf(room: string, user: string, asUser: LabUser): Promise<{ membership: string; reason?: string }>;
  invite(room: string, user: string, by: LabUser): Promise<void>;
}

const listen = async (handler: RequestHandler): Promise<{ url: string; close: () => void }> => {
  const server = createServer(express().use(handler)).listen(0, "127.0.0.1");
  await once(server, "listening");
  const close = (): void => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close };
};

/** Synapse with the appservice side of the gateway registered and its bot running; calls are fake. */
export const startAppserviceLab = async (): Promise<AppserviceLab> => {
  const folder = await mkdtemp(join(tmpdir(), "mrtc-appservice-"));
  let router: RequestHandler = (_, response) => void response.status(503).json({});
  const requests = createRecorder<TransactionSeen>();
  const { url, close } = await listen((request, response, next) => {
    response.on("finish", () => requests.push({ path: request.originalUrl, status: response.statusCode }));
    router(request, response, next);
  });
  // The lab chooses its ports, so the server name is not known before it runs: any port is meant.
  const namespaceOfAnyPort = createNamespace({ serverName: "127.0.0.1:PORT", botLocalpart: "phone" });
  const registration = createRegistration({ namespace: namespaceOfAnyPort, url, hsToken: HS_TOKEN });
  const registrationFile = join(folder, "registration.yaml");
  await writeFile(registrationFile, registrationYaml(registration).replaceAll("PORT", "[0-9]+"));
  const lab = await startLab({ parts: ["synapse"], registrationFiles: [registrationFile] });

  const { serverName } = lab.homeserver;
  const homeserver = createHomeserver({ url: lab.homeserver.url, asToken: registration.as_token });
  const namespace = createNamespace({ serverName, botLocalpart: "phone" });
  const clock = { nowMs: () => Date.now(), after: () => () => {} };
  const rules = [{ users: [`@alice:${serverName}`], classes: ["internal", "national"] as const }];
  const policy = createPolicy({ options: { rules, attemptsPerMinute: 1000 }, ownServer: serverName, clock });
  const transactions = new Set<string>();
  const { log, lines } = createTestLog();
  const unreadable = createRecorder<{ room: RoomId; count: number }>();
  const sealingKey = new Uint8Array(randomBytes(32)) as SealingKey;
  const crossSigning = createCrossSigning({ homeserver, store: createMemoryIdentityStore(), sealingKey });
  const ghostStore = createMemoryGhostStore();
  const hasher = createPinHasher();
  const store = openStore({ path: ":memory:" });
  const dialin = {
    conferences: createConferences({ store: store.conferences, hasher }),
    numbers: [DIALIN_NUMBER],
  };
  const isPinOf = (room: string, pin: string): Promise<boolean> =>
    hasher.verify(pin, store.conferences.byRoom(roomId(room))?.pinHash);

  const start = async (): Promise<RunningAppservice> => {
    const calls = createFakeCalls(serverName);
    const appservice = createAppservice({
      homeserver,
      namespace,
      hsToken: HS_TOKEN,
      botDisplayName: "Phone",
      numberPlan: PLAN,
      policy,
      dialin,
      sayAsGhost: async () => {},
      noticeAsGhost: async (ghost, room, text) => {
        const as = { userId: ghost };
        await homeserver.request({ method: "POST", path: matrixPath("client/v3", "join", room), body: {}, as });
        const path = matrixPath("client/v3", "rooms", room, "send", "m.room.message", randomBytes(8).toString("hex"));
        await homeserver.request({ method: "PUT", path, body: { msgtype: "m.notice", body: text }, as });
      },
      transactionLog: { has: (id) => transactions.has(id), add: (id) => void transactions.add(id) },
      ghostStore,
      rejectionLimit: { attempt: () => 0 },
      crossSigning,
      onMalformedEvents: () => {},
      onUnreadableMembers: (room, count) => unreadable.push({ room, count }),
      onRoomChanged: () => {},
      nowMs: () => Date.now(),
      log,
    });
    const chats = { accepted: () => undefined, onEvent: async () => undefined, open: async () => "" };
    const connected = appservice.connect(calls, { ...chats, bindings: async () => "" });
    router = connected.router;
    await connected.start();
    return { appservice, calls };
  };
  const { appservice, calls } = await start();

  return {
    lab,
    homeserver,
    appservice,
    calls,
    startAgain: start,
    url,
    botId: namespace.botUserId,
    logLines: lines,
    requests,
    unreadable,
    isPinOf,
    ghost: (digits) => ghostUserId(`@tel_${digits}:${serverName}`),
    memberOf: async (room, user, asUser) => {
      const path = matrixPath("client/v3", "rooms", room, "state", "m.room.member", user);
      return lab.homeserver.request("GET", path, { user: asUser });
    },
    invite: async (room, user, by) => {
      await lab.homeserver.request("POST", matrixPath("client/v3", "rooms", room, "invite"), {
        body: { user_id: userId(user) },
        user: by,
      });
    },
    [Symbol.asyncDispose]: async () => {
      await appservice.bot.stop();
      close();
      await lab.stop();
      store.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
};
