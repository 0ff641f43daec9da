import { randomUUID } from "node:crypto";
import { GatewayError, toGatewayError } from "../errors.ts";
import { callId } from "../ids.ts";
import type { Log } from "../log.ts";
import { formatNumber, maskNumber } from "../numbering/format.ts";
import { ghostOf } from "../numbering/ghost-id.ts";
import type { NumberPlan } from "../numbering/number-plan.ts";
import { parseNumber } from "../numbering/parse.ts";
import type { PhoneNumber } from "../numbering/phone-number.ts";
import { type Admit, admitGhost, checkChat, checkRoom, invitesFirst, viewRoom } from "./admission.ts";
import { type CallActor, createCallActor } from "./call-actor.ts";
import { type CallRegistry, type Claim, createCallRegistry } from "./call-registry.ts";
import { createCallOrders } from "./call-orders.ts";
import { type Call, type CallOptions, createCall, DEFAULT_CALL_OPTIONS, type DialTarget, isOver } from "./call.ts";
import type { CallerNames } from "./caller.ts";
import type { DispatchRule } from "./dispatch.ts";
import { checkUnlocked, createDoor, type Door, type DoorKeeping } from "./door.ts";
import type { DoorPort, RoomLocks } from "./moderation-ports.ts";
import type { CallPorts } from "./effect-runner.ts";
import { createReception, findDestination } from "./reception.ts";
import { createModeration } from "./moderation.ts";
import type { PersonPort } from "./person.ts";
import type { AddPhone, CallRecord, CallService, PolicyPort, Subject } from "./ports.ts";
import { recoverCalls } from "./recovery.ts";
import { dialTargets, type Trunk, voiceFor } from "./trunk.ts";
import { createWaiting } from "./waiting.ts";

export interface CallServiceDeps extends CallPorts {
  readonly policy: PolicyPort;
  readonly plan: NumberPlan;
  /** In the order in which they are tried. */
  readonly trunks: readonly Trunk[];
  /** Where inbound calls go; checked for conflicts by the configuration. */
  readonly dispatchRules: readonly DispatchRule[];
  readonly callerNames: CallerNames;
  readonly locks: RoomLocks;
  readonly door: DoorPort;
  readonly people: PersonPort;
  /** Server part of the ghosts' ids. */
  readonly serverName: string;
  readonly log: Log;
  readonly options?: Partial<CallOptions>;
}

export interface Calls extends CallService, Door {
  /** Ends what the last run left behind. Once, at start, before calls are accepted. Never rejects. */
  recoverCalls(): Promise<void>;
}

const doorOf = (
  deps: CallServiceDeps,
  registry: CallRegistry,
  { waitingHangupMs }: CallOptions,
  isShuttingDown: () => boolean,
): DoorKeeping =>
  createDoor({
    ...deps,
    registry,
    port: deps.door,
    // Refused by the reception then, and not kept waiting.
    find: (incoming) => (isShuttingDown() ? undefined : findDestination(deps, incoming)),
    waitMs: waitingHangupMs,
  });

export const createCallService = (deps: CallServiceDeps): Calls => {
  const { rooms, policy, plan, trunks, serverName, log, store, clock, locks } = deps;
  const options: CallOptions = { ...DEFAULT_CALL_OPTIONS, ...deps.options };
  const registry = createCallRegistry(options);
  let isShuttingDown = false;

  const refuseWhenShuttingDown = (): void => {
    if (isShuttingDown) throw new GatewayError("SHUTTING_DOWN", "The gateway is being stopped.", { retryable: true });
  };

  const targetsOf = (number: PhoneNumber, subject: Subject, call: string): [DialTarget, ...DialTarget[]] => {
    const [first, ...others] = dialTargets(number, { subject, call }, { trunks, country: plan.country });
    if (first !== undefined) return [first, ...others];
    throw new GatewayError("NO_ROUTE", `No trunk takes this number (class ${number.class}).`);
  };

  const createActor = (call: Call, forward: (record: CallRecord) => void = () => undefined): CallActor => {
    const { roomId } = call.record;
    store.save(call.record);
    const isFirstPhone = (): boolean => registry.isFirstPhone(roomId);
    const admit: Admit = async (record, isInvited) => {
      await registry.untilLeft(record);
      return admitGhost(rooms, record.roomId, record.ghost, isInvited);
    };
    return createCallActor({ call, ports: deps, options, log, isFirstPhone, admit, forward });
  };

  const start = (request: AddPhone, number: PhoneNumber, claim: Claim): CallActor => {
    const { roomId, subject, via } = request;
    // In a chat of two whoever answers is who was called.
    const confirm = via === "chat" ? "none" : (request.confirm ?? options.confirm);
    const id = randomUUID();
    const targets = targetsOf(number, subject, id);
    const record: CallRecord = {
      callId: callId(id),
      legId: targets[0].legId,
      direction: "outbound",
      roomId,
      ghost: ghostOf(number, serverName),
      number,
      subject,
      ...(via === "chat" && subject.kind === "user" ? { person: subject.userId } : {}),
      state: "routing",
      createdAtMs: clock.nowMs(),
    };
    // The profile of a ghost is the same whoever calls whom.
    const displayName = deps.callerNames.nameOf(number) ?? formatNumber(number);
    const voice = voiceFor(number, trunks.find(({ id }) => id === targets[0].trunkId) ?? {});
    const actor = createActor(
      createCall({ record, targets, displayName, inviteFirst: invitesFirst(via), voice, confirm }),
    );
    claim.started(actor);
    actor.post({ type: "call.start" });
    return actor;
  };

  const add = async (request: AddPhone): Promise<CallRecord> => {
    const number = parseNumber(request.number, plan);
    const { roomId, subject, via } = request;
    try {
      refuseWhenShuttingDown();
      const claim = await registry.claim(roomId, number, subject);
      try {
        policy.authorize(subject, number);
        claim.checkLimits();
        checkUnlocked(locks, roomId);
        const ghost = ghostOf(number, serverName);
        const view = await viewRoom(rooms, request, ghost);
        if (via === "chat" && subject.kind === "user") checkChat(view, ghost, subject.userId);
        else checkRoom(view, via);
        refuseWhenShuttingDown();
        return start(request, number, claim).record();
      } catch (error) {
        claim.giveUp();
        throw error;
      }
    } catch (error) {
      log.info({ roomId, via, number: maskNumber(number), code: toGatewayError(error).code }, "phone not added");
      throw error;
    }
  };

  const door = doorOf(deps, registry, options, () => isShuttingDown);

  deps.sip.onIncoming(
    createReception({ ...deps, ports: deps, options, registry, createActor, isShuttingDown: () => isShuttingDown }),
  );

  return {
    add,
    ...door,
    ...createModeration({ rooms, registry }),
    ...createCallOrders({ ...deps, registry }),
    inRoom: (room) =>
      registry
        .actors()
        .map((actor) => actor.record())
        .filter((call) => call.roomId === room && call.forwardedFrom === undefined && !isOver(call)),
    get: (id) => registry.actor(id)?.record() ?? store.get(id),
    list: (filter) => store.list(filter),
    waitingPhones: createWaiting(registry, door),
    ghostRemoved: (room, ghost, reason) => {
      door.ghostRemoved(room, ghost, reason);
      for (const actor of registry.ofGhost(room, ghost)) actor.post({ type: "rtc.removed", reason });
    },
    shutdown: async (graceMs) => {
      isShuttingDown = true;
      const running = registry.actors();
      for (const actor of running) actor.post({ type: "gateway.shutdown" });
      const { promise: isOutOfTime, resolve } = Promise.withResolvers<void>();
      const cancel = clock.after(graceMs, resolve);
      await Promise.race([isOutOfTime, Promise.all(running.map((actor) => actor.ended))]);
      cancel();
    },
    recoverCalls: () =>
      recoverCalls(deps, log, (leg) => registry.actors().some((actor) => actor.record().legId === leg)),
  };
};
