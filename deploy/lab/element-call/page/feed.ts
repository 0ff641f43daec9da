import {
  ClientEvent,
  type MatrixClient,
  type MatrixEvent,
  MatrixEventEvent,
  type ReceivedToDeviceMessage,
  RoomStateEvent,
} from "matrix-js-sdk";
import type { ClientWidgetApi } from "matrix-widget-api";

import { clearEvent } from "./driver.ts";
import type { PageEvent, RoomMessage } from "./protocol.ts";

/** Pushes to the widget what happens in the room from now on: decrypted events, state, to-device messages. */
export function feedWidget(
  client: MatrixClient,
  roomId: string,
  widget: ClientWidgetApi,
  tell: (event: PageEvent) => void,
): void {
  const lost = (error: unknown): void => console.error("the widget did not take an event", error);
  // The timeline at this moment is history: the widget reads what it needs of it (state, sticky events) by itself.
  const history = new WeakSet(client.getRoom(roomId)?.getLiveTimeline().getEvents() ?? []);
  const fed = new WeakSet<MatrixEvent>();

  const feed = (event: MatrixEvent): void => {
    if (event.getRoomId() !== roomId || event.getId() === undefined || fed.has(event)) return;
    if (event.isBeingDecrypted() || event.isDecryptionFailure() || event.shouldAttemptDecryption()) return;
    // Of history only a sticky event matters that could not be decrypted when the widget read them.
    if (history.has(event) && event.unstableStickyInfo === undefined) return;
    fed.add(event);
    widget.feedEvent(clearEvent(event)).catch(lost);
  };
  client.on(ClientEvent.Event, (event) => {
    void client.decryptEventIfNeeded(event);
    feed(event);
  });
  client.on(MatrixEventEvent.Decrypted, feed);
  client.on(RoomStateEvent.Events, (event) => {
    if (event.getRoomId() === roomId) widget.feedStateUpdate(clearEvent(event)).catch(lost);
  });
  client.on(ClientEvent.ReceivedToDeviceMessage, ({ message, encryptionInfo }: ReceivedToDeviceMessage) => {
    if (message.type === "io.element.call.encryption_keys") {
      tell({ kind: "key", sender: message.sender, encrypted: encryptionInfo !== null });
    }
    widget.feedToDevice(message, encryptionInfo !== null).catch(lost);
  });
}

/** Tells every readable text of the room, once each, from now on. */
export function watchMessages(client: MatrixClient, roomId: string, tell: (message: RoomMessage) => void): void {
  const told = new Set<string>();
  const look = (event: MatrixEvent): void => {
    const eventId = event.getId();
    if (event.getRoomId() !== roomId || event.getType() !== "m.room.message") return;
    // A local echo has an id of its own ("~..."): the event comes again with the server's.
    if (eventId === undefined || eventId.startsWith("~") || told.has(eventId)) return;
    told.add(eventId);
    const content = event.getContent();
    tell({
      eventId,
      sender: event.getSender() ?? "",
      msgtype: String(content["msgtype"]),
      body: String(content["body"]),
      encrypted: event.isEncrypted(),
      atMs: performance.timeOrigin + performance.now(),
    });
  };
  client.on(ClientEvent.Event, (event) => {
    void client.decryptEventIfNeeded(event);
    look(event);
  });
  client.on(MatrixEventEvent.Decrypted, look);
}

/** Tells when this device's own membership of the call appears in the room and when it is gone. */
export function watchMembership(
  client: MatrixClient,
  roomId: string,
  own: { readonly userId: string; readonly deviceId: string },
  tell: (present: boolean) => void,
): void {
  let stickyKey: unknown;
  const look = (event: MatrixEvent): void => {
    if (event.getRoomId() !== roomId || event.getSender() !== own.userId) return;
    const content = event.getContent();
    if (event.getType() === "org.matrix.msc3401.call.member") {
      const key = `${own.userId}_${own.deviceId}_m.call`;
      if (event.getStateKey() === key || event.getStateKey() === `_${key}`) tell(Object.keys(content).length > 0);
    }
    if (event.getType() === "org.matrix.msc4143.rtc.member") {
      const device = (content["member"] as { device_id?: string } | undefined)?.device_id;
      // A leave has no member: it is known by the key of the join.
      if (device === own.deviceId) stickyKey = content["msc4354_sticky_key"];
      if (device === own.deviceId || content["msc4354_sticky_key"] === stickyKey) tell(device !== undefined);
    }
  };
  client.on(ClientEvent.Event, look);
  client.on(MatrixEventEvent.Decrypted, look);
}
