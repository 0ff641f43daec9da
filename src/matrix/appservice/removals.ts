import type { CallService } from "../../calls/ports.ts";
import { roomId as toRoomId, type GhostUserId, type RoomId } from "../../ids.ts";
import type { AppserviceEvent } from "./events.ts";
import type { Namespace } from "./namespace.ts";

export interface RemovalsDeps {
  readonly namespace: Namespace;
  readonly calls: Pick<CallService, "inRoom" | "ghostRemoved">;
}

/** Tells the calls when somebody else takes a ghost out of a room, or when the room is replaced. */
export const createRemovals = ({ namespace, calls }: RemovalsDeps): ((event: AppserviceEvent) => void) => {
  const onMember = (room: RoomId, ghost: GhostUserId, event: AppserviceEvent): void => {
    // A ghost that leaves by itself does so at the end of its call.
    if (event.sender === ghost) return;
    const { membership } = event.content;
    if (membership === "ban") calls.ghostRemoved(room, ghost, "banned");
    if (membership === "leave") calls.ghostRemoved(room, ghost, "kicked");
  };

  return (event) => {
    const room = toRoomId(event.roomId);
    if (event.type === "m.room.member") {
      const ghost = namespace.asGhost(event.stateKey ?? "");
      if (ghost !== undefined) onMember(room, ghost, event);
    }
    if (event.type === "m.room.tombstone" && event.stateKey === "") {
      const ghosts = new Set(calls.inRoom(room).map((call) => call.ghost));
      ghosts.forEach((ghost) => calls.ghostRemoved(room, ghost, "upgraded"));
    }
  };
};
