import { WebSocket } from "ws";

import type { Log } from "../../log.ts";
import { type AriEvent, parseAriEvent } from "./ari-events.ts";

const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 5000;
const HANDSHAKE_TIMEOUT_MS = 5000;
/** A connection whose other end vanished without a word is noticed after two of these, an application that Asterisk dropped after one. */
const PING_INTERVAL_MS = 5000;
/** Asterisk's largest event is a few kB. */
const LARGEST_MESSAGE_BYTES = 1_048_576;

export interface EventStreamOptions {
  readonly url: string;
  readonly authorization: string;
  readonly log: Log;
  /**
   * Whether Asterisk knows the application; a rejection counts as yes. It loses it under a connection that stands when an older
   * connection ends at the moment this one is registered (22.10), and when another program that took it over has left.
   */
  readonly isRegistered: () => Promise<boolean>;
  /** Must not throw. */
  readonly onEvent: (event: AriEvent) => void;
  /** Events flow (again); what happened in between is lost and has to be asked for. */
  readonly onConnected: () => void;
  /** In addition, after a loss: for metrics. */
  readonly onReconnected: () => void;
  readonly onLost: () => void;
}

export interface EventStream {
  connected(): boolean;
  /** Resolves when there is a connection; at once when there is. */
  untilConnected(): Promise<void>;
  /** Resolves when a ping was answered: events flow, and not into a connection that is broken unnoticed. */
  confirmed(): Promise<void>;
  close(): void;
}

/** False when the connection closed instead. */
const answersPing = (socket: WebSocket): Promise<boolean> =>
  new Promise((resolve) => {
    const settle = (answered: boolean): void => {
      socket.off("pong", onPong);
      socket.off("close", onClose);
      resolve(answered);
    };
    const onPong = (): void => settle(true);
    const onClose = (): void => settle(false);
    socket.on("pong", onPong);
    socket.on("close", onClose);
    socket.ping();
  });

/** The events WebSocket of ARI. Connects at once and reconnects for ever, until it is closed. */
export const openEventStream = (options: EventStreamOptions): EventStream => {
  const { url, authorization, log, isRegistered, onEvent, onConnected, onReconnected, onLost } = options;
  let wasConnected = false;
  let live = false;
  let socket: WebSocket | undefined;
  let retryTimer: NodeJS.Timeout | undefined;
  let retryMs = FIRST_RETRY_MS;
  let malformedCount = 0;
  let closed = false;
  let opening = Promise.withResolvers<void>();

  const receive = (data: WebSocket.RawData): void => {
    // The default binaryType gives a Buffer.
    const parsed = parseAriEvent((data as Buffer).toString());
    if (parsed.kind === "malformed") {
      malformedCount += 1;
      log.warn({ problem: parsed.problem, malformedCount }, "malformed ARI event ignored");
    } else if (parsed.kind === "event") {
      if (parsed.event.type === "ApplicationReplaced") {
        log.error({}, "another program took over this gateway's ARI application: give each gateway its own `app`");
      }
      onEvent(parsed.event);
    }
  };

  const connect = (): void => {
    const next = new WebSocket(url, {
      headers: { authorization },
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      maxPayload: LARGEST_MESSAGE_BYTES,
      followRedirects: false,
    });
    socket = next;
    let alive = true;

    const closeUnlessRegistered = async (): Promise<void> => {
      if ((await isRegistered().catch(() => true)) || next.readyState !== WebSocket.OPEN) return;
      log.warn({}, "Asterisk has dropped this gateway's ARI application, connecting anew");
      next.terminate();
    };
    const pings = setInterval(() => {
      if (!live) return;
      if (!alive) return next.terminate();
      alive = false;
      next.ping();
      void closeUnlessRegistered();
    }, PING_INTERVAL_MS);
    next.on("pong", () => (alive = true));
    const goLive = (): void => {
      if (next.readyState !== WebSocket.OPEN) return;
      live = true;
      retryMs = FIRST_RETRY_MS;
      log.info({}, "connected to Asterisk (ARI)");
      opening.resolve();
      onConnected();
      if (wasConnected) onReconnected();
      wasConnected = true;
    };
    next.on("open", () => void closeUnlessRegistered().then(goLive));
    next.on("message", receive);
    // "close" always follows; the message of a refused handshake holds the status and nothing secret.
    next.on("error", (error) => log.warn({ error: error.message, retryMs }, "ARI events connection failed"));
    next.on("close", () => {
      clearInterval(pings);
      if (live) {
        live = false;
        opening = Promise.withResolvers();
        onLost();
      }
      if (closed) return;
      retryTimer = setTimeout(connect, retryMs);
      retryMs = Math.min(retryMs * 2, LONGEST_RETRY_MS);
    });
  };
  connect();

  const confirmed = async (): Promise<void> => {
    await opening.promise;
    if (socket === undefined || !(await answersPing(socket))) await confirmed();
  };

  return {
    connected: () => live,
    untilConnected: () => opening.promise,
    confirmed,
    close: () => {
      closed = true;
      clearTimeout(retryTimer);
      socket?.terminate();
    },
  };
};
