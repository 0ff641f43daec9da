import { KnownMembership, type Room } from "matrix-js-sdk";
import { z } from "zod";
import { userId } from "../../ids.ts";
import { createCallSession, type CallSession } from "./call-session.ts";
import { matrixPath } from "../homeserver.ts";
import { joinRoom } from "../room/enter-room.ts";
import { watchOtherSfus } from "./other-sfu.ts";
import { openGhostDevice, type GhostDevice } from "./ghost-device.ts";
import { cancelDelayedLeaves, emptyMemberships } from "./leftovers.ts";
import { watchRemoval } from "./removal.ts";
import { checkUsableRoom, type CreateEvent, hasStaleMembership } from "./room-checks.ts";
import type { SessionContext } from "./session-context.ts";
import { shareStickyMembers, watchUnreadableSticky } from "./sticky-members.ts";
import { within } from "./within.ts";

/** A slow server of one member must not hold up the call; the key sender tries again later. */
const PREPARE_KEYS_TIMEOUT_MS = 1_000;

/** The device of a chat knows whether its ghost is there: to join again would cost a ring what nobody waits for. */
const isThere = async ({ borrowed, request }: SessionContext): Promise<boolean> => {
  const room = (await borrowed?.device)?.client.getRoom(request.roomId);
  return room?.getMyMembership() === KnownMembership.Join;
};

const enterRoom = async (context: SessionContext): Promise<void> => {
  const { deps, request } = context;
  if (!(await isThere(context))) {
    if (request.inviteFirst) await deps.inviteAsBot(request.roomId, request.ghost);
    await joinRoom(deps.homeserver, request.ghost, request.roomId);
  }
  context.joined = true;
};

const openDevice = async (context: SessionContext): Promise<GhostDevice> => {
  const { deps, request, deviceId, closers, borrowed } = context;
  const { callId, ghost, roomId } = request;
  const device = await (borrowed?.device ?? openGhostDevice(deps, { ghost, roomId, deviceId, joinsLater: true }));
  context.device = device;
  const onUnreadable = (user: string): void => {
    deps.onCount("member.unreadable");
    deps.onUnreadableMember(callId, roomId, userId(user));
  };
  closers.push(watchUnreadableSticky({ client: device.client, roomId, onUnreadable }));
  return device;
};

/**
 * Tells when the last member that is not a phone has left, and when one comes (back). A conference starts as accompanied; of a one-to-one call
 * it is told once the members are known.
 */
const companyWatch = ({ deps, request, onFact }: SessionContext): ((members: CallSession["members"]) => void) => {
  let accompanied = request.person === undefined ? true : undefined;
  return (members) => {
    const now = members.some((member) => !deps.isGhost(userId(member.userId)));
    if (now === accompanied) return;
    accompanied = now;
    onFact({ type: now ? "rtc.accompanied" : "rtc.alone" });
  };
};

/** LiveKit identities of the members who are not phones. */
export const identitiesOfPeople = (
  { isGhost }: Pick<SessionContext["deps"], "isGhost">,
  members: CallSession["members"],
): readonly string[] =>
  members.filter((member) => !isGhost(userId(member.userId))).map(({ rtcBackendIdentity }) => rtcBackendIdentity);

const startCall = async (context: SessionContext, device: GhostDevice, room: Room): Promise<CallSession> => {
  const { deps, request, log, closers, ended } = context;
  const { callId } = request;
  const watchCompany = companyWatch(context);
  const watchSfus = watchOtherSfus({
    // Known by now: the token came from it.
    ownServiceUrl: await deps.transports.serviceUrl(request.ghost),
    onMember: (user) => {
      deps.onCount("member.other-sfu");
      deps.onOtherSfuMember(callId, request.roomId, user);
    },
  });
  const call = createCallSession({
    client: device.client,
    room,
    isGhost: (user) => deps.isGhost(userId(user)),
    useDelayedLeave: deps.delayedEventsSupported(),
    onMembershipWritten: context.onMembershipWritten,
    onMembershipFailed: context.onMembershipFailed,
    onMembers: (members) => {
      watchCompany(members);
      watchSfus(members);
      const identities = identitiesOfPeople(deps, members);
      context.keyExchange.setMembers(identities);
      deps.onMembers(callId, identities);
    },
    onMediaKey: (key, index, identity) => {
      if (ended.aborted) return;
      context.keyExchange.received(identity);
      deps.onMediaKey(callId, { identity, index, key });
    },
    onMediaKeySent: () => context.keyExchange.sent(),
    onDroppedMember: (verdict) => deps.onCount(`member.${verdict}`),
    onDroppedMediaKey: (reason) => {
      if (context.encrypted) deps.onCount(`media-key.${reason}`);
    },
    onUndeliveredMediaKey: () => {
      deps.onCount("media-key.undelivered");
      log.warn({}, "a member could not be given the phone's media key: it will not hear the phone");
    },
  });
  context.call = call;
  closers.push(() => call.close());
  if (request.person !== undefined) void call.ready.then(() => watchCompany(call.members));
  if (deps.stickyMembers !== undefined) {
    closers.push(
      shareStickyMembers(deps.stickyMembers, room),
      deps.stickyMembers.watch(room.roomId, () => deps.syncPace.hurry(request.roomId)),
    );
  }
  return call;
};

/** What a crashed session of this ghost left in the room would be seen as a second phone, or fire into this one's membership. */
const removeStaleMemberships = async ({ deps, request }: SessionContext): Promise<void> => {
  const { ghost, roomId } = request;
  await cancelDelayedLeaves(deps.homeserver, ghost, roomId);
  await emptyMemberships(deps.homeserver, { ghost, roomId, spare: deps.callDevices });
};

const createSchema = z.object({ sender: z.string(), content: z.unknown() });

const fetchCreate = async ({ deps, request: { ghost, roomId } }: SessionContext): Promise<CreateEvent> => {
  const path = `${matrixPath("client/v3", "rooms", roomId, "state", "m.room.create")}/?format=event`;
  return createSchema.parse(await deps.homeserver.request({ method: "GET", path, as: { userId: ghost } }));
};

/**
 * Makes the ghost ready to be a member: in the room, with a device whose keys are known, the room's state here, sessions with the members'
 * devices. `withToken` runs beside it. Rejects with GatewayError.
 */
export const prepareGhost = async <Token>(context: SessionContext, withToken: () => Promise<Token>): Promise<Token> => {
  const { deps, request, tasks, ended, closers, onFact } = context;
  await tasks.run("ghost", () => deps.ensureGhost(request.ghost, request.displayName));
  ended.throwIfAborted();
  const [device, token] = await Promise.all([
    tasks.run("device", () => openDevice(context)),
    tasks.run("token", withToken),
    tasks.run("join", () => enterRoom(context)),
  ]);
  device.joined();
  const room = await tasks.run("sync", () => device.room(ended));
  await checkUsableRoom(room, request.ghost, () => fetchCreate(context));
  context.encrypted = room.hasEncryptionStateEvent();
  const isStale = hasStaleMembership(room, request.ghost) && !deps.hasOtherSession(request);
  if (isStale) await tasks.run("stale", () => removeStaleMemberships(context));
  const call = await startCall(context, device, room);
  closers.push(
    watchRemoval(room, (reason) => {
      context.removed = reason !== "upgraded";
      onFact({ type: "rtc.removed", reason });
    }),
  );
  await call.ready;
  await tasks.run("keys", async () => {
    if (context.encrypted) await within(call.prepareKeys(), PREPARE_KEYS_TIMEOUT_MS, undefined);
    await device.keysUploaded;
  });
  ended.throwIfAborted();
  return token;
};
