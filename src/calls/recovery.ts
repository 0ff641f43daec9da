import { toGatewayError } from "../errors.ts";
import type { LegId } from "../ids.ts";
import type { Log } from "../log.ts";
import { maskNumber } from "../numbering/format.ts";
import type { CallPorts } from "./effect-runner.ts";
import type { CallRecord } from "./ports.ts";

type RecoveryPorts = Pick<CallPorts, "sip" | "rtc" | "store" | "clock">;

/**
 * Ends what a crash left behind: every stored call that was not ended, and legs that belong to none. A call whose ghost could not be
 * cleaned up (the homeserver is away) stays stored as open, so that the next start tries again. Never rejects.
 */
export const recoverCalls = async (
  { sip, rtc, store, clock }: RecoveryPorts,
  log: Log,
  isRunning: (leg: LegId) => boolean,
): Promise<void> => {
  const warn = (what: string, thrown: unknown): void => {
    const { code, message } = toGatewayError(thrown);
    log.warn({ what, code, message }, "could not clean up after the last run");
  };
  const tried = async (what: string, run: () => Promise<void>): Promise<boolean> => {
    try {
      await run();
      return true;
    } catch (error) {
      warn(what, error);
      return false;
    }
  };

  const end = async (record: CallRecord): Promise<void> => {
    const [, isCleanedUp] = await Promise.all([
      tried("leg", () => sip.hangup(record.legId, "shutdown")),
      tried("ghost", async () => {
        const { ghost, roomId, person, forwardedFrom } = record;
        // One that was forwarded has no ghost in the room; a chat of two stays one.
        if (forwardedFrom === undefined) await rtc.cleanUp(ghost, roomId, { leaveRoom: person === undefined });
      }),
    ]);
    if (!isCleanedUp) return;
    const { callId, roomId, number } = record;
    store.save({
      ...record,
      state: "ended",
      outcome: record.outcome ?? "shutdown",
      endedAtMs: record.endedAtMs ?? clock.nowMs(),
    });
    log.info({ callId, roomId, number: maskNumber(number) }, "ended a call of the last run");
  };

  await Promise.all(
    store
      .loadOpen()
      .filter(({ legId }) => !isRunning(legId))
      .map(end),
  );
  await tried("orphaned legs", async () => {
    const orphans = (await sip.listLegs()).filter((leg) => !isRunning(leg));
    if (orphans.length > 0) log.warn({ count: orphans.length }, "hanging up legs that belong to no call");
    await Promise.all(orphans.map((leg) => tried("orphaned leg", () => sip.hangup(leg, "shutdown"))));
  });
};
