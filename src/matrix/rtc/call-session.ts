import { ClientEvent, RoomStateEvent, type MatrixClient, type MatrixEvent, type Room } from "matrix-js-sdk";
import {
  MatrixRTCSession,
  MatrixRTCSessionEvent,
  type CallMembership,
  type JoinSessionConfig,
} from "matrix-js-sdk/lib/matrixrtc/index.js";
import { UnsupportedDelayedEventsEndpointError } from "matrix-js-sdk/lib/errors.js";
import type { ReceivedToDeviceMessage } from "matrix-js-sdk/lib/sync-accumulator.js";
import {
  createMediaKeyGate,
  MEDIA_KEY_EVENT,
  type DroppedMediaKey,
  type TrustedMediaKey,
} from "../crypto/media-key-gate.ts";
import { createMediaKeySender, type MediaKeyTarget } from "../crypto/media-key-sender.ts";
import { judgeMemberEvent, MEMBER_STATE_EVENT, type MemberEventVerdict } from "./member-events.ts";
import { deviceIdentityKey, encryptForDevices } from "./olm.ts";
import { queryDeviceKeysNow, setUseKeyDelay, useEveryKey } from "./sdk-workarounds.ts";

export interface CallSessionDeps {
  readonly client: MatrixClient;
  readonly room: Room;
  /** Ghosts of this gateway: all phones. */
  readonly isGhost: (user: string) => boolean;
  /** False: the membership is written without a delayed leave. */
  readonly useDelayedLeave: boolean;
  /** The homeserver has the membership, as this event. Again after every refresh. */
  readonly onMembershipWritten: (eventId: string) => void;
  readonly onMembershipFailed: (error: unknown) => void;
  readonly onMembers: (members: readonly CallMembership[]) => void;
  readonly onMediaKey: (key: Uint8Array, index: number, identity: string) => void;
  /** The own media key went out; also when a member could not be reached. */
  readonly onMediaKeySent: () => void;
  readonly onDroppedMember: (verdict: Exclude<MemberEventVerdict, "member" | "left">) => void;
  readonly onDroppedMediaKey: (reason: DroppedMediaKey) => void;
  readonly onUndeliveredMediaKey: (target: MediaKeyTarget) => void;
}

export interface CallSession {
  readonly members: readonly CallMembership[];
  /** Resolves when the members have been worked out from the room for the first time. */
  readonly ready: Promise<void>;
  /** Asks for the devices of all members and makes Olm sessions with them, so that the first key costs one request only. */
  prepareKeys(): Promise<void>;
  join(
    transport: { type: "livekit"; livekit_service_url: string; livekit_alias: string },
    config: JoinSessionConfig,
  ): void;
  /** Writes the leave. False when the homeserver did not take it in time. */
  leave(timeoutMs: number): Promise<boolean>;
  readonly delayId: string | undefined;
  close(): Promise<void>;
}

const SLOT = { application: "m.call", id: "ROOM" };
/** js-sdk's default for a member that others already hold a key of. */
const USE_KEY_DELAY_MS = 1_000;

type SessionClient = ConstructorParameters<typeof MatrixRTCSession>[0];
type SessionRoom = ConstructorParameters<typeof MatrixRTCSession>[1];
type ToDeviceListener = (event: MatrixEvent) => void;

/**
 * The room as the SDK's session sees it: without member events that cannot be trusted, and without the other phones of this gateway. The
 * latter is the one place that keeps ghosts from sending media keys to each other (and from rotating keys because of each other): they hear
 * each other inside the media worker.
 */
const sessionRoomOf = ({ client, room, isGhost, onDroppedMember }: CallSessionDeps): SessionRoom => {
  const [ownUser, ownDevice] = [client.getUserId(), client.getDeviceId()];
  const reported = new WeakSet<MatrixEvent>();
  const isVisible = (event: MatrixEvent): boolean => {
    const sender = event.getSender();
    const verdict = judgeMemberEvent({ sender, stateKey: event.getStateKey(), content: event.getContent() });
    if (verdict === "left") return false;
    // A caller who called twice is in the call with two devices, each a phone of its own.
    if (verdict === "member" && sender === ownUser) return event.getContent()["device_id"] === ownDevice;
    if (verdict === "member") return !isGhost(sender ?? "");
    if (!reported.has(event)) {
      reported.add(event);
      onDroppedMember(verdict);
    }
    return false;
  };
  const getStateEvents = (type: string, stateKey?: string): MatrixEvent[] | MatrixEvent | null => {
    if (stateKey !== undefined) return room.currentState.getStateEvents(type, stateKey);
    const events = room.currentState.getStateEvents(type);
    return type === MEMBER_STATE_EVENT ? events.filter(isVisible) : events;
  };
  const view = {
    roomId: room.roomId,
    getVersion: () => room.getVersion(),
    hasMembershipState: (user: string, membership: string) => room.hasMembershipState(user, membership),
    on: room.on.bind(room),
    off: room.off.bind(room),
    _unstable_getStickyEvents: () => room._unstable_getStickyEvents(),
    getLiveTimeline: () => ({ getState: () => ({ getStateEvents }) }),
  };
  return view as unknown as SessionRoom;
};

interface SessionPorts {
  readonly listeners: Set<ToDeviceListener>;
  sendKey(targets: readonly MediaKeyTarget[], payload: object): Promise<void>;
}

/** The client as the SDK's session sees it: media keys go out through our sender and come in through our gate. */
const sessionClientOf = (deps: CallSessionDeps, ports: SessionPorts): SessionClient => {
  const { client } = deps;
  const sendStateEvent: MatrixClient["sendStateEvent"] = async (room, type, content, stateKey, options) => {
    const response = await client.sendStateEvent(room, type, content, stateKey, options);
    if (type === MEMBER_STATE_EVENT && Object.keys(content).length > 0) deps.onMembershipWritten(response.event_id);
    return response;
  };
  const view = {
    getUserId: () => client.getUserId(),
    getDeviceId: () => client.getDeviceId(),
    sendEvent: client.sendEvent.bind(client),
    sendStateEvent,
    _unstable_sendDelayedStateEvent: deps.useDelayedLeave
      ? client._unstable_sendDelayedStateEvent.bind(client)
      : refuseDelayedEvent,
    _unstable_updateDelayedEvent: client._unstable_updateDelayedEvent.bind(client),
    _unstable_cancelScheduledDelayedEvent: client._unstable_cancelScheduledDelayedEvent.bind(client),
    _unstable_restartScheduledDelayedEvent: client._unstable_restartScheduledDelayedEvent.bind(client),
    _unstable_sendScheduledDelayedEvent: client._unstable_sendScheduledDelayedEvent.bind(client),
    _unstable_sendStickyEvent: client._unstable_sendStickyEvent.bind(client),
    _unstable_sendStickyDelayedEvent: client._unstable_sendStickyDelayedEvent.bind(client),
    cancelPendingEvent: client.cancelPendingEvent.bind(client),
    decryptEventIfNeeded: client.decryptEventIfNeeded.bind(client),
    encryptAndSendToDevice: (_type: string, targets: MediaKeyTarget[], payload: object) =>
      ports.sendKey(targets, payload),
    // The session listens to nothing else of the client.
    on: (name: ClientEvent, listener: ToDeviceListener) => {
      if (name === ClientEvent.ToDeviceEvent) ports.listeners.add(listener);
    },
    off: (_name: string, listener: ToDeviceListener) => {
      ports.listeners.delete(listener);
    },
  };
  return view as unknown as SessionClient;
};

/**
 * The SDK goes by `/versions`. A homeserver that has delayed events but refuses ours (Synapse: `max_event_delay_duration` is too short) would
 * make it write the membership first and give up right afterwards; this error lets it go on without.
 */
const refuseDelayedEvent = async (): Promise<never> => {
  throw new UnsupportedDelayedEventsEndpointError("not supported", "sendDelayedStateEvent");
};

/** What js-sdk's key transport reads of a to-device event. */
const eventOf = ({ sender, content }: TrustedMediaKey): MatrixEvent => {
  const event = { getType: () => MEDIA_KEY_EVENT, getSender: () => sender, getContent: () => content };
  return event as unknown as MatrixEvent;
};

/**
 * One conference (slot `m.call#ROOM`) as a ghost takes part in it. Made with the SDK's session class directly instead of
 * `client.matrixRTC`, because that class can be given a narrower room and client: so the trust rules sit before the SDK.
 */
export const createCallSession = (deps: CallSessionDeps): CallSession => {
  const { client, room } = deps;
  const ownUser = client.getUserId() ?? "";

  const sender = createMediaKeySender<object>({
    deliver: (targets, payload) => encryptForDevices(client, MEDIA_KEY_EVENT, targets, payload),
    queryDevices: (users) => queryDeviceKeysNow(client, users),
    isMember: ({ userId, deviceId }) =>
      session.memberships.some((member) => member.userId === userId && member.deviceId === deviceId),
    onUndelivered: deps.onUndeliveredMediaKey,
  });
  const sendKey: SessionPorts["sendKey"] = async (targets, payload) => {
    await sender.send(targets, payload);
    deps.onMediaKeySent();
  };
  const listeners = new Set<ToDeviceListener>();
  const session = new MatrixRTCSession(sessionClientOf(deps, { listeners, sendKey }), sessionRoomOf(deps), SLOT);

  const gate = createMediaKeyGate({
    roomId: room.roomId,
    isJoined: (user) => room.hasMembershipState(user, "join"),
    identityKeyOf: (user, device) => deviceIdentityKey(client, user, device),
    onKey: (key) => listeners.forEach((listener) => listener(eventOf(key))),
    onDropped: deps.onDroppedMediaKey,
  });
  const onToDevice = (received: ReceivedToDeviceMessage): void => gate.receive(received);
  // Of the SDK's managers only this one would tell the session; it is not used here.
  const onState = (event: MatrixEvent): void => {
    if (event.getType() === MEMBER_STATE_EVENT) void session.ensureRecalculateSessionMembers();
  };
  const others = (): readonly CallMembership[] => session.memberships.filter(({ userId }) => userId !== ownUser);
  const onMembers = (): void => {
    // Nobody holds the old key while the ghost is alone, so a new one can be used at once.
    setUseKeyDelay(session, others().length === 0 ? 0 : USE_KEY_DELAY_MS);
    deps.onMembers(session.memberships);
  };
  client.on(ClientEvent.ReceivedToDeviceMessage, onToDevice);
  room.on(RoomStateEvent.Events, onState);
  session.on(MatrixRTCSessionEvent.MembershipsChanged, onMembers);
  session.on(MatrixRTCSessionEvent.MembershipManagerError, deps.onMembershipFailed);
  session.on(MatrixRTCSessionEvent.EncryptionKeyChanged, (key, index, _member, identity) =>
    deps.onMediaKey(key, index, identity),
  );

  return {
    get members() {
      return session.memberships;
    },
    get delayId() {
      return session.delayId;
    },
    ready: session.initialMembershipCalculated,
    prepareKeys: async () => {
      const targets = others().map(({ userId, deviceId }) => ({ userId, deviceId }));
      if (targets.length === 0) return;
      await queryDeviceKeysNow(client, [...new Set(targets.map(({ userId }) => userId))]);
      await encryptForDevices(client, "m.dummy", targets, {}, { send: false });
    },
    join: (transport, config) => {
      const [userId, deviceId] = [ownUser, client.getDeviceId() ?? ""];
      session.joinRTCSession({ userId, deviceId, memberId: `${userId}:${deviceId}` }, [], transport, {
        ...config,
        useKeyDelay: others().length === 0 ? 0 : USE_KEY_DELAY_MS,
      });
      useEveryKey(session);
      // The SDK hands out its first key when its own membership comes back by /sync; this is one round trip earlier.
      void session.ensureRecalculateSessionMembers();
    },
    leave: (timeoutMs) => session.leaveRoomSession(timeoutMs),
    close: async () => {
      sender.stop();
      client.off(ClientEvent.ReceivedToDeviceMessage, onToDevice);
      room.off(RoomStateEvent.Events, onState);
      session.removeAllListeners();
      await session.stop();
    },
  };
};
