import { leaveRoom } from "../room/enter-room.ts";
import { cancelDelayedLeaves, emptyMembership } from "./leftovers.ts";
import { memberStateKey } from "./member-events.ts";
import type { SessionContext } from "./session-context.ts";
import { within } from "./within.ts";

const LEAVE_TIMEOUT_MS = 2_000;
/** Of it, for parts of `prepare` that still run. */
const SETTLE_TIMEOUT_MS = 1_000;
const MEMBERSHIP_TIMEOUT_MS = 1_200;

/** Writes the leave: what the SDK's manager does, and what is left to do when it could not or has given up before. */
const leaveMembership = async (context: SessionContext): Promise<void> => {
  const { deps, request, call, device, deviceId } = context;
  if (call === undefined || context.membership === "none") return;
  const left = await call.leave(MEMBERSHIP_TIMEOUT_MS);
  // Left while it was joining, the SDK takes back the membership but not the delayed leave that it was just scheduling.
  if (left && context.membership === "written" && !context.removed) return;
  const { ghost, roomId } = request;
  await cancelDelayedLeaves(deps.homeserver, ghost, roomId);
  if (context.membership !== "written" || context.removed) return;
  const version = device?.client.getRoom(roomId)?.getVersion() ?? "";
  await emptyMembership(deps.homeserver, ghost, roomId, memberStateKey(ghost, deviceId, version));
};

/** Takes everything back, within 2 s; a failing step never stops the next. Resolves with false when something stayed. */
export const leaveCall = async (context: SessionContext): Promise<boolean> => {
  const { deps, request, log, tasks, closers } = context;
  const { homeserver } = deps;
  const untilMs = performance.now() + LEAVE_TIMEOUT_MS;

  const step = (name: string, work: () => unknown): Promise<boolean> => {
    const run = async (): Promise<boolean> => {
      try {
        await work();
        return true;
      } catch (error) {
        log.warn({ step: name, error: error instanceof Error ? error.message : "" }, "leaving a call: a step failed");
        return false;
      }
    };
    return within(run(), untilMs - performance.now(), false);
  };

  const settled = await within(
    tasks.settled().then(() => true),
    SETTLE_TIMEOUT_MS,
    false,
  );
  // Before the room is left: then it could not be written any more.
  const membership = await step("membership", () => leaveMembership(context));
  // Before it is given back: the next call of a chat has the same device.
  deps.callDevices.delete(context.deviceId);
  const others = await Promise.all([
    ...closers.splice(0).map((close) => step("close", close)),
    // What `prepare` still does may bring a device or a join after this: then they go as well, later than the caller waits.
    step("device", async () => {
      await tasks.settled();
      if (context.borrowed === undefined) await context.device?.close();
      else context.borrowed.giveBack();
    }),
    step("room", async () => {
      await tasks.settled();
      const stays = request.person !== undefined || deps.hasOtherSession(request);
      if (context.joined && !context.removed && !stays) {
        await leaveRoom(homeserver, request.ghost, request.roomId);
      }
    }),
  ]);
  return settled && membership && others.every(Boolean);
};
