import { ClientEvent, type MatrixClient, type MatrixEvent, MatrixEventEvent, RoomStateEvent } from "matrix-js-sdk";

const RING = "org.matrix.msc4075.rtc.notification";
const CALL_MEMBER = "org.matrix.msc3401.call.member";

const mentions = (event: MatrixEvent, user: string): boolean => {
  const { user_ids: users } = (event.getContent()["m.mentions"] ?? {}) as { user_ids?: unknown };
  return Array.isArray(users) && users.includes(user);
};

/**
 * Rings as Element Web does, which is the host of Element Call there: from a ring that mentions the user until the user is in the call with any
 * device, or the caller has left it. Calls back at every change.
 */
export function watchRings(
  client: MatrixClient,
  roomId: string,
  user: string,
  onChange: (isRinging: boolean) => void,
): void {
  let caller: string | undefined;
  const isInCall = (who: string): boolean =>
    (client.getRoom(roomId)?.currentState.getStateEvents(CALL_MEMBER) ?? []).some(
      (event) => event.getSender() === who && Object.keys(event.getContent()).length > 0,
    );
  const update = (now: string | undefined): void => {
    if ((caller === undefined) !== (now === undefined)) onChange(now !== undefined);
    caller = now;
  };
  const look = (event: MatrixEvent): void => {
    if (event.getRoomId() !== roomId || event.getType() !== RING || !mentions(event, user)) return;
    const sender = event.getSender() ?? "";
    if (isInCall(sender) && !isInCall(user)) update(sender);
  };
  client.on(ClientEvent.Event, look);
  client.on(MatrixEventEvent.Decrypted, look);
  client.on(RoomStateEvent.Events, (event) => {
    if (event.getRoomId() !== roomId || event.getType() !== CALL_MEMBER || caller === undefined) return;
    if (isInCall(user) || !isInCall(caller)) update(undefined);
  });
}
