import {
  ClientInfo,
  DisconnectReason,
  type JoinRequest,
  LeaveRequest,
  LeaveRequest_Action,
  SignalRequest,
  SignalResponse,
  WrappedJoinRequest,
  WrappedJoinRequest_Compression,
} from "@livekit/protocol";
import { WebSocket } from "ws";

/** Version of LiveKit's protocol: the first one with one connection for both directions is 16. */
const PROTOCOL_VERSION = 16;
const OPEN_TIMEOUT_MS = 5000;
/** The join response of a conference of hundreds is some 100 KB. */
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
const DEFAULT_PING_INTERVAL_S = 5;
const DEFAULT_PING_TIMEOUT_S = 15;
/** How long the server may take to close after we said that we leave. */
const LEAVE_TIMEOUT_MS = 500;

export type ServerMessage = NonNullable<SignalResponse["message"]>;
export type ClientMessage = NonNullable<SignalRequest["message"]>;

/** The server's HTTP answer instead of a WebSocket. */
export class SignallingRefused extends Error {
  readonly status: number;

  constructor(status: number) {
    super(`HTTP status ${status}`);
    this.name = "SignallingRefused";
    this.status = status;
  }
}

export interface SignallingOptions {
  readonly sfuUrl: string;
  /** Never in a message: it goes into a header, not into the address. */
  readonly token: string;
  readonly request: JoinRequest;
  /** Every message that could be read, in order; those of before the connection counts as open too. */
  readonly onMessage: (message: ServerMessage) => void;
  /** The connection is gone, not by `close`; called once, after `openSignalling` resolved. */
  readonly onLost: () => void;
}

/** LiveKit's signalling of one participant (`/rtc/v1`). */
export interface Signalling {
  send(message: ClientMessage): void;
  /** Says that we leave and resolves when the server has taken note. */
  leave(): Promise<void>;
  /** Ends it without a word: the participant stays. */
  drop(): void;
}

export const clientInfo = (): ClientInfo => new ClientInfo({ protocol: PROTOCOL_VERSION, os: "linux" });

const joinAddress = (sfuUrl: string, request: JoinRequest): string => {
  const address = new URL(sfuUrl);
  address.protocol = address.protocol.replace("http", "ws");
  address.pathname = `${address.pathname.replace(/\/+$/, "")}/rtc/v1`;
  const wrapped = new WrappedJoinRequest({
    compression: WrappedJoinRequest_Compression.NONE,
    joinRequest: request.toBinary(),
  });
  // URL-safe, but padded: the server takes nothing else.
  const encoded = Buffer.from(wrapped.toBinary()).toString("base64").replaceAll("+", "-").replaceAll("/", "_");
  address.searchParams.set("join_request", encoded);
  return address.href;
};

/**
 * Who speaks and how well everybody is heard: the SFU tells every participant of every other one, several times a second. No phone shows
 * it, and reading it would grow with the square of the phones. By its first byte: a field below 16, length-delimited.
 */
const UNREAD: ReadonlySet<number> = new Set(
  SignalResponse.fields
    .list()
    .filter(({ localName }) => localName === "speakersChanged" || localName === "connectionQuality")
    .map(({ no }) => (no << 3) | 2),
);

/** Undefined for what is no message of LiveKit's, and for what nobody here needs. */
export const parseServerMessage = (data: Uint8Array): ServerMessage | undefined => {
  if (UNREAD.has(data[0] ?? 0)) return undefined;
  try {
    const { message } = SignalResponse.fromBinary(data);
    return message.case === undefined ? undefined : message;
  } catch {
    return undefined;
  }
};

/**
 * Opens the WebSocket; what the server answers to the request comes as a message. Rejects with SignallingRefused, or with the
 * network's error.
 */
export const openSignalling = async (options: SignallingOptions): Promise<Signalling> => {
  const socket = new WebSocket(joinAddress(options.sfuUrl, options.request), {
    headers: { authorization: `Bearer ${options.token}` },
    handshakeTimeout: OPEN_TIMEOUT_MS,
    maxPayload: MAX_MESSAGE_BYTES,
    perMessageDeflate: false,
  });
  const closed = Promise.withResolvers<void>();
  let ended = false;

  const send = (message: ClientMessage): void => {
    if (socket.readyState === WebSocket.OPEN) socket.send(new SignalRequest({ message }).toBinary());
  };
  const pinger = createPinger(send, () => socket.terminate());
  socket.on("message", (data: Buffer, isBinary: boolean) => {
    pinger.heard();
    const message = isBinary ? parseServerMessage(data) : undefined;
    if (message === undefined || ended) return;
    if (message.case === "join") pinger.start(message.value.pingInterval, message.value.pingTimeout);
    if (message.case === "reconnect") pinger.start(0, 0);
    options.onMessage(message);
  });
  await opened(socket);
  if (socket.readyState !== WebSocket.OPEN) throw new Error("the SFU closed the signalling connection at once");
  socket.on("close", () => {
    pinger.stop();
    closed.resolve();
    if (ended) return;
    ended = true;
    options.onLost();
  });

  const drop = (): void => {
    ended = true;
    pinger.stop();
    socket.terminate();
  };
  return {
    send,
    drop,
    async leave() {
      ended = true;
      send({
        case: "leave",
        value: new LeaveRequest({ reason: DisconnectReason.CLIENT_INITIATED, action: LeaveRequest_Action.DISCONNECT }),
      });
      const timer = setTimeout(closed.resolve, LEAVE_TIMEOUT_MS);
      await closed.promise;
      clearTimeout(timer);
      drop();
    },
  };
};

const opened = (socket: WebSocket): Promise<void> =>
  new Promise((resolve, reject) => {
    socket.once("open", () => resolve());
    socket.once("unexpected-response", (request, response) => {
      reject(new SignallingRefused(response.statusCode ?? 0));
      request.destroy();
    });
    // For good: an error without a listener would end the process. Later ones are followed by "close", which says the same.
    socket.on("error", reject);
  });

/** Asks the server regularly whether it is there, and ends a connection on which nothing comes any more. */
const createPinger = (send: (message: ClientMessage) => void, onDead: () => void) => {
  let timer: NodeJS.Timeout | undefined;
  let heardAtMs = performance.now();
  return {
    heard(): void {
      heardAtMs = performance.now();
    },
    /** In seconds, as the server says; 0 where it does not. */
    start(intervalS: number, timeoutS: number): void {
      clearInterval(timer);
      const timeoutMs = (timeoutS || DEFAULT_PING_TIMEOUT_S) * 1000;
      timer = setInterval(
        () => {
          if (performance.now() - heardAtMs > timeoutMs) onDead();
          else send({ case: "ping", value: BigInt(Date.now()) });
        },
        (intervalS || DEFAULT_PING_INTERVAL_S) * 1000,
      );
    },
    stop(): void {
      clearInterval(timer);
    },
  };
};
