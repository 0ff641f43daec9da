/** The composition root: the only file that knows two adapters. Builds everything from the configuration, starts it, stops it. */
import { createCallService } from "./calls/call-service.ts";
import type { SipPort } from "./calls/ports.ts";
import type { Clock } from "./clock.ts";
import { callOptionsOf, dispatchRulesOf, numberPlanOf, policyOptionsOf, trunksOf } from "./config/domain.ts";
import type { Config } from "./config/schema.ts";
import { createMask } from "./directory/mask.ts";
import { openNumbers } from "./directory-app.ts";
import { secretsOf } from "./config/summary.ts";
import { GatewayError } from "./errors.ts";
import { type CallId, type RoomId, trunkId, type TrunkId, type UserId } from "./ids.ts";
import type { Readiness } from "./http/api-app.ts";
import { listen } from "./http-app.ts";
import { createLivekitSip } from "./livekit-app.ts";
import type { Log } from "./log.ts";
import { type Appservice, createAppservice } from "./matrix/appservice/appservice.ts";
import { inviteGhost } from "./matrix/appservice/invite-ghost.ts";
import { createNamespace, type Namespace } from "./matrix/appservice/namespace.ts";
import { createCrossSigning } from "./matrix/crypto/cross-signing.ts";
import { loadSealingKey } from "./matrix/crypto/sealing-key.ts";
import { createMatrixHealth, type MatrixHealth } from "./matrix/health.ts";
import { createHomeserver, type Homeserver } from "./matrix/homeserver.ts";
import { createRtc, type Rtc } from "./matrix/rtc/rtc.ts";
import { stickyMembersOf } from "./matrix/rtc/sticky-members.ts";
import { createTransports } from "./matrix/rtc/transports.ts";
import { createMediaPool, type MediaPool, type MediaPoolOptions } from "./media/pool.ts";
import { createDesk, createDialin, type Dialin } from "./menu-app.ts";
import { createPersonalCalls, noticeContent } from "./personal-app.ts";
import { createCallObserver } from "./observability/call-observer.ts";
import { createLogger } from "./observability/logger.ts";
import { createMetrics, type Metrics } from "./observability/metrics.ts";
import { type NamedResult, runChecks, type StartupCheck } from "./observability/startup-checks.ts";
import { createPolicy, type Policy } from "./policy/policy.ts";
import { createRateLimit } from "./policy/rate-limit.ts";
import { type AsteriskEngine, createAsteriskEngine } from "./sip/asterisk/engine.ts";
import { checkAsterisk } from "./sip/asterisk/health.ts";
import type { AsteriskEngineOptions } from "./sip/asterisk/options.ts";
import type { LivekitSipEngine } from "./sip/livekit-sip/engine.ts";
import { createSipRouter } from "./sip/sip-router.ts";
import { keepCallsFor } from "./store/retention.ts";
import { openStore, type Store } from "./store/store.ts";

/** Calls get this long to leave their rooms at a stop. Each part of an end is bounded to 2 s. */
const SHUTDOWN_GRACE_MS = 5000;
const ENGINE_WAIT_MS = 3000;
const REGISTRATION_ID = "matrixrtc-sip-gateway";
/** Rejections of invites from servers that no rule names: per inviter and minute. */
const REJECTIONS_PER_MINUTE = 10;

export interface Gateway {
  readonly apiUrl: string;
  readonly appserviceUrl: string;
  /** Ends all calls, then everything else. Resolves within about 10 s. */
  stop(): Promise<void>;
}

const systemClock: Clock = {
  nowMs: Date.now,
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};

interface Foundation {
  readonly config: Config;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly store: Store;
  readonly homeserver: Homeserver;
  readonly namespace: Namespace;
  readonly policy: Policy;
  readonly dialin: Dialin | undefined;
}

const layFoundation = (config: Config): Foundation => {
  const { logging, homeserver, bot, store } = config;
  const log = createLogger({ level: logging.level, showNumbers: logging.showNumbers, secrets: secretsOf(config) });
  const serverName = homeserver.serverName;
  const opened = openStore({ path: store.path });
  const metrics = createMetrics();
  return {
    config,
    log,
    metrics,
    store: opened,
    dialin: createDialin({ config, store: opened, metrics, clock: systemClock, log }),
    homeserver: createHomeserver({ url: homeserver.url, asToken: homeserver.asToken }),
    namespace: createNamespace({ serverName, botLocalpart: bot.localpart }),
    policy: createPolicy({ options: policyOptionsOf(config), ownServer: serverName, clock: systemClock }),
  };
};

interface Engines {
  readonly sip: SipPort;
  readonly livekitSip: LivekitSipEngine | undefined;
  readonly checks: readonly StartupCheck[];
  /** Resolves when the engines are connected, or after a while without. */
  ready(): Promise<void>;
  close(): void;
}

const asteriskOptionsOf = (config: Config): AsteriskEngineOptions | undefined => {
  const { asterisk } = config;
  const trunks = new Map(
    config.trunks.flatMap((trunk) =>
      trunk.engine === "asterisk" ? [[trunkId(trunk.name), trunk.asterisk] as const] : [],
    ),
  );
  return asterisk === undefined || trunks.size === 0 ? undefined : { ...asterisk, trunks };
};

/** One engine per kind that a trunk of the configuration uses. */
const createEngines = ({ config, log, metrics }: Foundation, media: Pick<MediaPool, "press">): Engines => {
  const engineOfTrunk = new Map<TrunkId, SipPort>();
  const checks: StartupCheck[] = [];
  let asterisk: AsteriskEngine | undefined;
  const asteriskOptions = asteriskOptionsOf(config);
  if (asteriskOptions !== undefined) {
    asterisk = createAsteriskEngine(asteriskOptions, log, () => metrics.ariReconnected());
    for (const trunk of asteriskOptions.trunks.keys()) engineOfTrunk.set(trunk, asterisk);
    checks.push({ name: "asterisk", run: async () => joined(await checkAsterisk(asteriskOptions)) });
  }
  const livekitSip = createLivekitSip(config, log, (leg, keys) => media.press(leg, keys));
  for (const id of livekitSip?.trunks ?? []) {
    engineOfTrunk.set(id, livekitSip!.engine);
    checks.push({ name: `trunk ${id}`, run: () => livekitSip!.engine.check(id) });
  }
  return {
    sip: createSipRouter(engineOfTrunk),
    livekitSip: livekitSip?.engine,
    checks,
    // Legs of the last run can only be asked for once the events flow; an Asterisk that is away is caught up with later.
    ready: () => Promise.race([asterisk?.ready(), new Promise<void>((resolve) => setTimeout(resolve, ENGINE_WAIT_MS))]),
    close: () => {
      asterisk?.close();
      livekitSip?.engine.close();
    },
  };
};

/** Several findings of one server as one line: all that is wrong, or all that is right. */
const joined = (
  results: readonly { readonly ok: boolean; readonly text: string; readonly fix?: string }[],
): { ok: boolean; text: string; fix?: string } => {
  const wrong = results.filter(({ ok }) => !ok);
  const told = wrong.length > 0 ? wrong : results;
  const fixes = told.flatMap(({ fix }) => fix ?? []);
  return {
    ok: wrong.length === 0,
    text: told.map(({ text }) => text).join("; "),
    ...(fixes.length === 0 ? {} : { fix: fixes.join("; ") }),
  };
};

interface MatrixSide {
  readonly appservice: Appservice;
  readonly rtc: Rtc;
}

const createMatrixSide = async (
  foundation: Foundation,
  media: MediaPool,
  hasDelayedEvents: () => boolean,
): Promise<MatrixSide> => {
  const { config, log, metrics, store, homeserver, namespace, policy, dialin } = foundation;
  const { botUserId } = namespace;
  const crossSigning = createCrossSigning({
    homeserver,
    store: store.identities,
    sealingKey: await loadSealingKey(config.crypto.keyFile),
  });
  const appservice = createAppservice({
    homeserver,
    namespace,
    hsToken: config.homeserver.hsToken,
    botDisplayName: "Phone",
    numberPlan: numberPlanOf(config),
    policy,
    ...(dialin === undefined ? {} : { dialin }),
    sayAsGhost: (call, room, text) => rtc.sendNotice(call, room, text),
    noticeAsGhost: (ghost, room, text) => rtc.noticeOnce(ghost, room, text),
    transactionLog: {
      has: (id) => store.transactions.has(id),
      add: (id) => {
        metrics.transaction();
        store.transactions.add(id);
      },
    },
    ghostStore: store.ghosts,
    rejectionLimit: createRateLimit({ perMinute: REJECTIONS_PER_MINUTE, clock: systemClock }),
    crossSigning,
    onMalformedEvents: (count) => metrics.malformedEvents(count),
    onUnreadableMembers: () => metrics.rtc("member.unreadable"),
    onRoomChanged: (room) => rtc.roomChanged(room),
    nowMs: Date.now,
    log,
  });
  const told = new Set<string>();
  /** Several phones in one room see the same member. */
  const tellOnce = (callId: CallId, roomId: RoomId, user: UserId): void => {
    const key = `${roomId} ${user}`;
    if (told.has(key)) return;
    told.add(key);
    void appservice.notices.notify({ roomId, callId }, { kind: "member-on-other-sfu", user });
  };
  const rtc = createRtc({
    homeserver,
    crossSigning,
    log,
    fallbackServiceUrl: config.rtc.transportUrl,
    ensureGhost: async (ghost, displayName) => {
      await appservice.users.ensure(ghost, displayName);
    },
    inviteAsBot: (room, ghost) => inviteGhost(homeserver, botUserId, room, ghost),
    isGhost: (user) => namespace.isGhost(user),
    delayedEventsSupported: hasDelayedEvents,
    stickyMembers: stickyMembersOf(appservice.bot.client),
    // The one way of media keys: from the ghost's device to its worker, never through an event or the store.
    onMediaKey: (call, key) => media.setKey(call, key),
    onChatMessage: (chat, message) => {
      appservice.onChatMessage(message, (text) => rtc.chatDevices.send(chat, "m.room.message", noticeContent(text)));
    },
    onMembers: (call, identities) => media.setMembers(call, identities),
    onUnreadableMember: (_call, room, user) => appservice.tellUnreadable(room, [user]),
    onOtherSfuMember: (call, room, user) => tellOnce(call, room, user),
    onCount: (counter) => metrics.rtc(counter),
  });
  return { appservice, rtc };
};

const createMedia = (
  { config, log, metrics }: Foundation,
  heard: Pick<MediaPoolOptions, "onLegKey" | "onSpeakers">,
): MediaPool =>
  createMediaPool({
    ...heard,
    log,
    maxCallsPerWorker: config.media.maxCallsPerWorker,
    maxJoinsPerWorker: config.media.recycleAfterJoins,
    sfuClient: config.media.sfuClient,
    g711As: config.media.g711As,
    joinTones: config.media.joinTones,
    onWorkerLost: () => metrics.workerRestarted(),
    onCallEnded: (_call, stats) => {
      metrics.callAudio("fromPhone", stats.fromPhone);
      metrics.callAudio("toPhone", stats.toPhone);
    },
  });

/** The homeserver must be there and know us; without anything else the gateway starts, says so, and works once it is back. */
const requireHomeserver = async (health: MatrixHealth, log: Log): Promise<boolean> => {
  const [homeserver, delayed] = await runChecks(
    [
      { name: "homeserver", run: () => health.homeserver() },
      { name: "delayed events", run: () => health.delayedEvents() },
    ],
    { log },
  );
  if (homeserver?.ok !== true) {
    throw new GatewayError("HOMESERVER_UNAVAILABLE", `${homeserver?.text ?? ""}. ${homeserver?.fix ?? ""}`.trim());
  }
  return delayed?.ok === true;
};

/** Runs the closers that were added so far, last first; each gets its chance. */
const createUndo = (log: Log): { add(close: () => unknown): void; run(): Promise<void> } => {
  const closers: (() => unknown)[] = [];
  return {
    add: (close) => closers.push(close),
    run: async () => {
      for (const close of closers.splice(0).reverse()) {
        try {
          await close();
        } catch (error) {
          log.warn({ error }, "a part could not be stopped cleanly");
        }
      }
    },
  };
};

/**
 * Starts the gateway: checks what it depends on (one line each), ends what a crash left behind, and takes calls when it resolves.
 * Rejects with GatewayError (CONFIG_INVALID, HOMESERVER_UNAVAILABLE), everything stopped again.
 */
export const startGateway = async (config: Config): Promise<Gateway> => {
  const foundation = layFoundation(config);
  const { log, homeserver, namespace, store } = foundation;
  const undo = createUndo(log);
  undo.add(() => store.close());
  try {
    const transports = createTransports({ homeserver, fallbackServiceUrl: config.rtc.transportUrl });
    const { botUserId } = namespace;
    const health = createMatrixHealth({ homeserver, transports, botUserId, registrationId: REGISTRATION_ID });
    const hasDelayedEvents = await requireHomeserver(health, log);

    const media = createMedia(foundation, {
      onLegKey: (leg, digit) => engines.livekitSip?.pressed(leg, digit),
      onSpeakers: (call, identities) => rtc.setSpeakers(call, identities),
    });
    undo.add(() => media.close());
    const engines = createEngines(foundation, media);
    undo.add(() => engines.close());
    const { appservice, rtc } = await createMatrixSide(foundation, media, () => hasDelayedEvents);
    const plan = numberPlanOf(config);
    const numbers = await openNumbers({ ...foundation, clock: systemClock });
    const { directory } = numbers;
    undo.add(() => numbers.close());
    const mask = createMask(await loadSealingKey(config.crypto.keyFile));
    const desk = createDesk({
      ...foundation,
      clock: systemClock,
      sip: engines.sip,
      lobby: media.lobby,
      // The calls are made behind the desk; nobody rings before.
      door: { approach: (incoming) => calls.approach(incoming) },
    });
    undo.add(() => rtc.chatDevices.close());
    const { users } = appservice;
    const personal = createPersonalCalls({ ...foundation, devices: rtc.chatDevices, users, directory, plan });
    const calls = createCallService({
      sip: desk,
      rtc,
      media,
      notices: appservice.notices,
      store: store.calls,
      observer: personal.observing(createCallObserver(foundation)),
      people: personal.people,
      clock: systemClock,
      rooms: appservice.rooms,
      door: appservice.door,
      locks: store.locks,
      policy: foundation.policy,
      plan,
      trunks: trunksOf(config),
      dispatchRules: dispatchRulesOf(config),
      callerNames: { nameOf: (number) => directory.nameOf(number), mask },
      serverName: namespace.serverName,
      log,
      options: callOptionsOf(config),
    });

    let readiness: Readiness = { ready: false, checks: [] };
    const bindings = numbers.commands({
      rooms: appservice.rooms,
      onBound: (number, user) => personal.welcome(number, user),
      sip: engines.sip,
      lobby: media.lobby,
    });
    const connected = appservice.connect(calls, { ...personal.connect(calls), bindings });
    const listeners = await listen(
      foundation,
      { calls, directory },
      connected.router,
      engines.livekitSip,
      () => readiness,
    );
    undo.add(() => Promise.all([listeners.api.close(), listeners.appservice.close()]));
    undo.add(() => appservice.bot.stop());
    undo.add(() => Promise.all([calls.shutdown(SHUTDOWN_GRACE_MS), desk.closeMenus()]));

    // Bot first: the checks of the transport ask in its name, and it has to exist.
    await connected.start();
    await engines.ready();
    await calls.recoverCalls();
    personal.start();
    undo.add(keepCallsFor(store.calls, config.store.keepCalls?.ms));
    const checks: readonly NamedResult[] = await runChecks(
      [
        { name: "appservice", run: () => health.ping() },
        { name: "transport", run: () => health.transport() },
        { name: "media", run: () => media.ready().then(() => ({ ok: true, text: "a media worker is ready" })) },
        ...engines.checks,
        ...personal.checks,
      ],
      { log },
    );
    if (!personal.areChatsAccepted()) numbers.onOwners((owners) => personal.inviteOwners(owners));
    readiness = { ready: true, checks };
    log.info(
      { api: listeners.api.url, appservice: listeners.appservice.url, bot: botUserId },
      "the gateway takes calls",
    );
    return { apiUrl: listeners.api.url, appserviceUrl: listeners.appservice.url, stop: () => undo.run() };
  } catch (error) {
    await undo.run();
    throw error;
  }
};
