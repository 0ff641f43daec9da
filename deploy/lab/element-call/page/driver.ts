import { Direction, type MatrixClient, MatrixError, type MatrixEvent, type TimelineEvents } from "matrix-js-sdk";
import type { StateEvents } from "matrix-js-sdk/lib/types.js";
import {
  type Capability,
  type IOpenIDUpdate,
  type IReadEventRelationsResult,
  type IRoomEvent,
  type IRtcTransportsResult,
  type ISendDelayedEventDetails,
  type ISendEventDetails,
  type IWidgetApiErrorResponseDataDetails,
  OpenIDRequestState,
  type SimpleObservable,
  WidgetDriver,
} from "matrix-widget-api";

type DeviceMessages = Record<string, Record<string, object>>;

/** The event as it would look had it not been encrypted: what a widget gets to see. */
export const clearEvent = (event: MatrixEvent): IRoomEvent =>
  ({ ...event.getEffectiveEvent(), room_id: event.getRoomId() }) as unknown as IRoomEvent;

/**
 * Carries out, with the page's own client, what Element Call asks for through the widget API. As in Element Web:
 * room events and sticky events (MSC4354) are encrypted when the room is, state events and delayed events (MSC4140) go
 * in clear, to-device messages are Olm-encrypted on request.
 */
// A class because matrix-widget-api's ClientWidgetApi takes an instance of this abstract class.
export class HostDriver extends WidgetDriver {
  readonly #client: MatrixClient;
  readonly #roomId: string;

  readonly #stateDelivered: Promise<void>;

  /** `stateDelivered` resolves when the widget has acknowledged the room's first state. */
  constructor(client: MatrixClient, roomId: string, stateDelivered: Promise<void>) {
    super();
    this.#client = client;
    this.#roomId = roomId;
    this.#stateDelivered = stateDelivered;
  }

  override async validateCapabilities(requested: Set<Capability>): Promise<Set<Capability>> {
    return requested;
  }

  override async sendEvent(
    type: string,
    content: unknown,
    stateKey: string | null = null,
    roomId: string | null = null,
  ): Promise<ISendEventDetails> {
    const room = roomId ?? this.#roomId;
    if (stateKey !== null) {
      const sent = await this.#client.sendStateEvent(room, type as keyof StateEvents, content as never, stateKey);
      return { roomId: room, eventId: sent.event_id };
    }
    if (type === "m.room.redaction") {
      const sent = await this.#client.redactEvent(room, (content as { redacts: string }).redacts);
      return { roomId: room, eventId: sent.event_id };
    }
    const sent = await this.#client.sendEvent(room, type as keyof TimelineEvents, content as never);
    return { roomId: room, eventId: sent.event_id };
  }

  override async sendStickyEvent(
    stickyDurationMs: number,
    type: string,
    content: unknown,
    roomId: string | null = null,
  ): Promise<ISendEventDetails> {
    const room = roomId ?? this.#roomId;
    const sent = await this.#client._unstable_sendStickyEvent(
      room,
      stickyDurationMs,
      null,
      type as keyof TimelineEvents,
      content as never,
    );
    return { roomId: room, eventId: sent.event_id };
  }

  override async sendDelayedEvent(
    delayMs: number,
    type: string,
    content: unknown,
    stateKey: string | null = null,
    roomId: string | null = null,
  ): Promise<ISendDelayedEventDetails> {
    const room = roomId ?? this.#roomId;
    const delay = { delay: delayMs };
    const scheduled =
      stateKey === null
        ? await this.#client._unstable_sendDelayedEvent(
            room,
            delay,
            null,
            type as keyof TimelineEvents,
            content as never,
          )
        : await this.#client._unstable_sendDelayedStateEvent(
            room,
            delay,
            type as keyof StateEvents,
            content as never,
            stateKey,
          );
    return { roomId: room, delayId: scheduled.delay_id };
  }

  override async sendDelayedStickyEvent(
    delayMs: number,
    stickyDurationMs: number,
    type: string,
    content: unknown,
    roomId: string | null = null,
  ): Promise<ISendDelayedEventDetails> {
    const room = roomId ?? this.#roomId;
    const scheduled = await this.#client._unstable_sendStickyDelayedEvent(
      room,
      stickyDurationMs,
      { delay: delayMs },
      null,
      type as keyof TimelineEvents,
      content as never,
    );
    return { roomId: room, delayId: scheduled.delay_id };
  }

  override async cancelScheduledDelayedEvent(delayId: string): Promise<void> {
    await this.#client._unstable_cancelScheduledDelayedEvent(delayId);
  }

  override async restartScheduledDelayedEvent(delayId: string): Promise<void> {
    await this.#client._unstable_restartScheduledDelayedEvent(delayId);
  }

  override async sendScheduledDelayedEvent(delayId: string): Promise<void> {
    await this.#client._unstable_sendScheduledDelayedEvent(delayId);
  }

  override async sendToDevice(type: string, encrypted: boolean, messages: DeviceMessages): Promise<void> {
    const targets = Object.entries(messages).flatMap(([userId, devices]) =>
      Object.entries(devices).map(([deviceId, payload]) => ({ userId, deviceId, payload })),
    );
    if (!encrypted) {
      await this.#client.queueToDevice({ eventType: type, batch: targets.map((target) => ({ ...target })) });
      return;
    }
    const crypto = this.#client.getCrypto();
    if (crypto === undefined) throw new Error("this page has no crypto");
    // Element Call sends one media key to everybody: encrypt each distinct payload once for all its devices.
    const groups = Map.groupBy(targets, (target) => JSON.stringify(target.payload));
    for (const group of groups.values()) {
      const devices = group.map(({ userId, deviceId }) => ({ userId, deviceId }));
      const batch = await crypto.encryptToDeviceMessages(type, devices, group[0]!.payload);
      await this.#client.queueToDevice(batch);
    }
  }

  override async readRoomState(roomId: string, type: string, stateKey: string | undefined): Promise<IRoomEvent[]> {
    const state = this.#client.getRoom(roomId)?.getLiveTimeline().getState(Direction.Forward);
    if (state === undefined) return [];
    if (stateKey === undefined) return state.getStateEvents(type).map(clearEvent);
    const event = state.getStateEvents(type, stateKey);
    return event === null ? [] : [clearEvent(event)];
  }

  override async readRoomTimeline(
    roomId: string,
    type: string,
    msgtype: string | undefined,
    stateKey: string | undefined,
    limit: number,
    since: string | undefined,
  ): Promise<IRoomEvent[]> {
    const newestFirst = (this.#client.getRoom(roomId)?.getLiveTimeline().getEvents() ?? []).toReversed();
    const sinceIndex = newestFirst.findIndex((event) => event.getId() === since);
    const wanted = (sinceIndex === -1 ? newestFirst : newestFirst.slice(0, sinceIndex)).filter(
      (event) =>
        event.getType() === type &&
        (msgtype === undefined || event.getContent()["msgtype"] === msgtype) &&
        (stateKey === undefined || event.getStateKey() === stateKey),
    );
    return wanted.slice(0, limit > 0 ? limit : undefined).map(clearEvent);
  }

  /**
   * Waits for the room's state to reach the widget: matrix-widget-api sends what this returns before the state, and
   * Element Call 0.26.1 then fails with "Room not found" when the user's own m.room.member comes last in the state (a
   * plain room without state memberships; js-sdk recalculates the room before it applies state to a room with events).
   */
  override async readStickyEvents(roomId: string): Promise<IRoomEvent[]> {
    await this.#stateDelivered;
    return [...(this.#client.getRoom(roomId)?._unstable_getStickyEvents() ?? [])].map(clearEvent);
  }

  override async readEventRelations(
    eventId: string,
    roomId: string | undefined,
    relationType: string | undefined,
    eventType: string | undefined,
    from: string | undefined,
    to: string | undefined,
    limit: number | undefined,
    direction: "f" | "b" | undefined,
  ): Promise<IReadEventRelationsResult> {
    const page = await this.#client.relations(
      roomId ?? this.#roomId,
      eventId,
      relationType ?? null,
      eventType ?? null,
      {
        ...(from !== undefined && { from }),
        ...(to !== undefined && { to }),
        ...(limit !== undefined && { limit }),
        dir: direction === "f" ? Direction.Forward : Direction.Backward,
      },
    );
    return {
      chunk: page.events.map(clearEvent),
      ...(page.nextBatch != null && { nextBatch: page.nextBatch }),
      ...(page.prevBatch != null && { prevBatch: page.prevBatch }),
    };
  }

  override askOpenID(observer: SimpleObservable<IOpenIDUpdate>): void {
    this.#client.getOpenIdToken().then(
      (token) => observer.update({ state: OpenIDRequestState.Allowed, token }),
      () => observer.update({ state: OpenIDRequestState.Blocked }),
    );
  }

  override async getRtcTransports(): Promise<IRtcTransportsResult> {
    return { rtc_transports: await this.#client._unstable_getRTCTransports() };
  }

  override async downloadFile(contentUri: string): Promise<{ file: XMLHttpRequestBodyInit }> {
    const url = this.#client.mxcUrlToHttp(contentUri, undefined, undefined, undefined, false, true, true);
    if (url === null) throw new Error(`not a media address: ${contentUri}`);
    const answer = await fetch(url, { headers: { Authorization: `Bearer ${this.#client.getAccessToken()}` } });
    if (!answer.ok) throw new Error(`the media repository answered ${answer.status}`);
    return { file: await answer.blob() };
  }

  override getKnownRooms(): string[] {
    return [this.#roomId];
  }

  override processError(error: unknown): IWidgetApiErrorResponseDataDetails | undefined {
    return error instanceof MatrixError ? { matrix_api_error: error.asWidgetApiErrorData() } : undefined;
  }
}
