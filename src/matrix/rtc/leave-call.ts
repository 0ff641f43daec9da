import { leaveRoom } from "./enter-room.ts";
import { cancelDelayedLeaves } from "./leftovers.ts";
import type { SessionContext } from "./session-context.ts";
import { within } from "./within.ts";

const LEAVE_TIMEOUT_MS = 2_000;
/** Of it, for parts of `prepare` that still run. */
const SETTLE_TIMEOUT_MS = 1_000;
const MEMBERSHIP_TIMEOUT_MS = 1_200;

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
  const membership = await step("membership", async () => {
    const left = (await context.call?.leave(MEMBERSHIP_TIMEOUT_MS)) ?? true;
    if (!left) throw new Error("the homeserver did not take the leave in time");
    if (context.removed) {
      await cancelDelayedLeaves(homeserver, {
        ghost: request.ghost,
        roomId: request.roomId,
        spare: deps.liveDevices,
      });
    }
  });
  const others = await Promise.all([
    ...closers.splice(0).map((close) => step("close", close)),
    // What `prepare` still does may bring a device or a join after this: then they go as well, later than the caller waits.
    step("device", async () => {
      await tasks.settled();
      await context.device?.close();
    }),
    step("room", async () => {
      await tasks.settled();
      if (context.joined && !context.removed && request.stayInRoom !== true) {
        await leaveRoom(homeserver, request.ghost, request.roomId);
      }
    }),
  ]);
  return settled && membership && others.every(Boolean);
};
