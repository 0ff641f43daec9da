import { RoomEvent, RoomStateEvent, type MatrixEvent, type Room } from "matrix-js-sdk";

export type Removal = "kicked" | "banned" | "upgraded";

/** How the ghost was put out of the room, if it was: by somebody else's leave or ban, or by the room's replacement. */
const removalOf = (room: Room): Removal | undefined => {
  if (room.currentState.getStateEvents("m.room.tombstone", "") !== null) return "upgraded";
  const own = room.currentState.getStateEvents("m.room.member", room.myUserId);
  const membership = own?.getContent()["membership"];
  if (membership === "ban") return "banned";
  return membership === "leave" && own?.getSender() !== room.myUserId ? "kicked" : undefined;
};

/** Calls back once, also when it has happened already. Returns how to stop. */
export const watchRemoval = (room: Room, onRemoved: (removal: Removal) => void): (() => void) => {
  const stop = (): void => {
    room.off(RoomEvent.MyMembership, check);
    room.off(RoomStateEvent.Events, onState);
  };
  const check = (): void => {
    const removal = removalOf(room);
    if (removal === undefined) return;
    stop();
    onRemoved(removal);
  };
  const onState = (event: MatrixEvent): void => {
    if (event.getType() === "m.room.tombstone") check();
  };
  room.on(RoomEvent.MyMembership, check);
  room.on(RoomStateEvent.Events, onState);
  check();
  return stop;
};
