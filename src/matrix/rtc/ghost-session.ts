import type { PublishMember, RtcFact, SfuAccess } from "../../calls/ports.ts";
import { GatewayError } from "../../errors.ts";
import { createHand } from "./hand.ts";
import { newDeviceId } from "../devices.ts";
import { createKeyExchange } from "./key-exchange.ts";
import { leaveCall } from "./leave-call.ts";
import { identitiesOfPeople, prepareGhost } from "./prepare-ghost.ts";
import { ringPerson } from "./ring.ts";
import { membershipRefused } from "./room-checks.ts";
import { createRoomName } from "./room-name.ts";
import type { GhostSessionDeps, GhostSessionRequest, SessionContext } from "./session-context.ts";
import { requestSfuToken } from "./sfu-token.ts";
import { createTasks } from "./tasks.ts";
import { within } from "./within.ts";

/** One phone as a member of one conference, from the invite to the last trace of it. */
export interface GhostSession {
  readonly request: GhostSessionRequest;
  prepare(): Promise<SfuAccess>;
  publish(options?: PublishMember): Promise<void>;
  keysExchanged(): Promise<void>;
  setSpeakers(identities: readonly string[]): void;
  /** Whether it has a media key of this member. */
  holdsKeyOf(identity: string): boolean;
  ring(lifetimeMs: number): Promise<void>;
  raiseHand(isRaised: boolean): Promise<void>;
  showHold(isHeld: boolean): Promise<void>;
  renewAccess(): Promise<SfuAccess>;
  sendNotice(text: string): Promise<void>;
  /** Resolves with false when something could not be taken back (the homeserver did not answer). */
  leave(): Promise<boolean>;
}

/** As Element Call: long enough for a slow network, short enough that a dead phone is soon gone. */
export const DELAYED_LEAVE_MS = 18_000;
const DELAYED_LEAVE_RESTART_MS = 4_000;
/** Without delayed events a dead gateway's memberships end only when they expire. */
const EXPIRY_WITHOUT_DELAYED_LEAVE_MS = 10 * 60_000;
/** A restarting homeserver must not end calls: js-sdk gives up after this many tries, 3 s apart (5 minutes). */
const NETWORK_RETRIES = 100;
const PUBLISH_TIMEOUT_MS = 15_000;

/** A chat of two has a device that is there already. */
const deviceFor = (
  { borrowDevice }: GhostSessionDeps,
  { person, roomId: room, ghost }: GhostSessionRequest,
): Pick<SessionContext, "deviceId" | "borrowed"> => {
  const borrowed = person === undefined ? undefined : borrowDevice({ room, ghost });
  return borrowed === undefined ? { deviceId: newDeviceId() } : { deviceId: borrowed.deviceId, borrowed };
};

export const createGhostSession = (
  deps: GhostSessionDeps,
  request: GhostSessionRequest,
  onFact: (fact: RtcFact) => void,
): GhostSession => {
  const ended = new AbortController();
  const log = deps.log.child({ callId: request.callId });
  /** Pending while the first membership is being written. */
  let writing: PromiseWithResolvers<void> | undefined;
  let leaving: Promise<boolean> | undefined;
  let serviceUrl = "";
  const hand = createHand();
  const roomName = createRoomName();
  /** One after the other: a hand that is lowered at once must have been raised before. */
  let raising: Promise<void> = Promise.resolve();

  const isKeyHeld = (identity: string): boolean => deps.isKeyHeld(request.roomId, identity);
  const others = (): readonly string[] => identitiesOfPeople(deps, context.call?.members ?? []);

  const context: SessionContext = {
    deps,
    request,
    log,
    ...deviceFor(deps, request),
    ended: ended.signal,
    tasks: createTasks(),
    keyExchange: createKeyExchange(isKeyHeld),
    closers: [],
    onFact: (fact) => {
      if (!ended.signal.aborted) onFact(fact);
    },
    onMembershipWritten: (eventId) => {
      context.membership = "written";
      context.membershipEventId = eventId;
      if (!others().every(isKeyHeld)) context.device?.published();
      writing?.resolve();
      writing = undefined;
    },
    onMembershipFailed: (error) => {
      if (ended.signal.aborted) return;
      const refusal = membershipRefused(error);
      log.warn({ code: refusal.code }, "the membership of the phone cannot be kept up");
      if (writing === undefined) onFact({ type: "rtc.lost", message: refusal.message });
      else writing.reject(refusal);
    },
    joined: false,
    membership: "none",
    removed: false,
    encrypted: false,
  };

  const fetchAccess = async (): Promise<Omit<SfuAccess, "encrypted">> => {
    const { homeserver, transports } = deps;
    const { ghost, roomId } = request;
    serviceUrl = await transports.serviceUrl(ghost);
    const token = await requestSfuToken(homeserver, { serviceUrl, roomId, userId: ghost, deviceId: context.deviceId });
    return { ...token, transportUrl: serviceUrl };
  };

  return {
    request,
    prepare: async () => {
      const startedMs = performance.now();
      const access = await deps.inTurn(async () => {
        ended.signal.throwIfAborted();
        return prepareGhost(context, fetchAccess);
      });
      await roomName.showCaller(context);
      log.info({ ...context.tasks.timings, totalMs: Math.round(performance.now() - startedMs) }, "the ghost is ready");
      return { ...access, encrypted: context.encrypted };
    },
    publish: async ({ notifyRoom } = { notifyRoom: false }) => {
      const { call } = context;
      if (call === undefined) throw new GatewayError("INTERNAL", "the ghost is not ready");
      ended.signal.throwIfAborted();
      const written = Promise.withResolvers<void>();
      writing = written;
      context.membership = "asked";
      deps.callDevices.add(context.deviceId);
      call.join(
        // `livekit_alias` is read by nobody any more, but older clients expect it to be there.
        { type: "livekit", livekit_service_url: serviceUrl, livekit_alias: request.roomId },
        {
          manageMediaKeys: context.encrypted,
          callIntent: "audio",
          // No ringing: a room is not one person who would pick up.
          ...(notifyRoom ? { notificationType: "notification" as const } : {}),
          delayedLeaveEventDelayMs: DELAYED_LEAVE_MS,
          delayedLeaveEventRestartMs: DELAYED_LEAVE_RESTART_MS,
          maximumNetworkErrorRetryCount: NETWORK_RETRIES,
          ...(deps.delayedEventsSupported() ? {} : { membershipEventExpiryMs: EXPIRY_WITHOUT_DELAYED_LEAVE_MS }),
        },
      );
      const done = written.promise.then(() => true);
      if (await within(done, PUBLISH_TIMEOUT_MS, false)) return;
      throw new GatewayError("HOMESERVER_UNAVAILABLE", "The homeserver did not take the phone's membership in time", {
        retryable: true,
      });
    },
    keysExchanged: async () => {
      if (context.encrypted) await context.keyExchange.done(others);
      context.device?.settled();
    },
    setSpeakers: (identities) => context.keyExchange.setSpeakers(identities),
    holdsKeyOf: (identity) => context.keyExchange.holds(identity),
    ring: (lifetimeMs) => ringPerson(context, lifetimeMs),
    raiseHand: async (isRaised) => {
      await (raising = raising.catch(() => {}).then(() => hand.show(context, isRaised)));
    },
    showHold: (isHeld) => roomName.showHold(context, isHeld),
    renewAccess: async () => ({ ...(await fetchAccess()), encrypted: context.encrypted }),
    sendNotice: async (text) => {
      if (context.device === undefined) throw new GatewayError("INTERNAL", "the ghost is not ready");
      await context.device.client.sendNotice(request.roomId, text);
    },
    leave: () => {
      if (leaving === undefined) {
        const reason = new GatewayError("SHUTTING_DOWN", "The call ended before its ghost was ready");
        ended.abort(reason);
        writing?.reject(reason);
        leaving = roomName.takeBack(context).then(() => leaveCall(context));
      }
      return leaving;
    },
  };
};
