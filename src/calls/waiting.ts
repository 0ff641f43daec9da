import type { RoomId } from "../ids.ts";
import { isOver } from "./call.ts";
import type { CallRegistry } from "./call-registry.ts";
import type { WaitingPhone } from "./moderation-ports.ts";
import type { CallService } from "./ports.ts";

/** Phones that wait: for a moderator before their call begins, or in their call, with music, until somebody joins it. */
export const createWaiting =
  (registry: Pick<CallRegistry, "actors">, door: Pick<CallService, "atDoor">) =>
  (room?: RoomId): readonly WaitingPhone[] => {
    const outside = door.atDoor(room).map((caller): WaitingPhone => {
      const { roomId, ghost, number, name, sinceMs } = caller;
      return { roomId, ghost, number, name, sinceMs, waitsFor: "moderator" };
    });
    const inside = registry.actors().flatMap((actor): readonly WaitingPhone[] => {
      const record = actor.record();
      const { callId, roomId, ghost, number, name, answeredAtMs, createdAtMs } = record;
      if (!actor.hasMusic() || isOver(record) || (room !== undefined && room !== roomId)) return [];
      const phone = {
        callId,
        roomId,
        ghost,
        number,
        sinceMs: answeredAtMs ?? createdAtMs,
        waitsFor: "company",
      } as const;
      return [name === undefined ? phone : { ...phone, name }];
    });
    return [...outside, ...inside].toSorted((one, other) => one.sinceMs - other.sinceMs);
  };
