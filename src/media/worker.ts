/**
 * Entry of a media worker: a child process of the gateway with its own native WebRTC library, chosen by its first argument; the second says
 * how G.711 goes to the SFU. Audio never leaves it except to
 * the phone and to the SFU; with the gateway it exchanges small messages (ipc.ts). It ends when the gateway does.
 */
import { constants, setPriority } from "node:os";
import type { Clock } from "../clock.ts";
import type { Log, LogFields } from "../log.ts";
import { type FromWorker, parseToWorker } from "./ipc.ts";
import { connectAsteriskLeg } from "./legs/asterisk-websocket.ts";
import { connectLivekitRoomLeg } from "./legs/livekit-room.ts";
import { parseG711As } from "./phone-sfu.ts";
import { loadSfuClients, parseSfuClientChoice } from "./sfu/choose.ts";
import { createWorkerHost } from "./worker-host.ts";

/** How long a worker that ends may take to leave its conferences. */
const CLOSE_TIMEOUT_MS = 1500;

/** A frame every 20 ms is worth more than what else the machine does. Needs the right to it (`LimitNICE` of deploy/systemd), else all stays as it is. */
const goFirst = (): void => {
  try {
    setPriority(constants.priority.PRIORITY_HIGHEST);
  } catch {
    // EACCES: voice is as important as everything else here.
  }
};

const send = (message: FromWorker): void => {
  if (process.connected) process.send?.(message);
};

const createPipeLog = (bound: LogFields): Log => {
  const write =
    (level: "debug" | "info" | "warn" | "error") =>
    (fields: LogFields, message: string): void =>
      send({ type: "log", level, fields: { ...bound, ...fields }, message });
  return {
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
    child: (fields) => createPipeLog({ ...bound, ...fields }),
  };
};

const clock: Clock = {
  nowMs: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};

goFirst();
const log = createPipeLog({});
const createSfuClient = await loadSfuClients(parseSfuClientChoice(process.argv[2]), (reason) =>
  log.warn({ reason }, "the light SFU client cannot be used: the native one is, at ten times the cost"),
);

const host = createWorkerHost({
  clock,
  send,
  log,
  createSfuClient,
  g711As: parseG711As(process.argv[3]),
  connectLeg: (media, events) =>
    media.kind === "asterisk-websocket"
      ? connectAsteriskLeg(media, events)
      : connectLivekitRoomLeg(media, events, createSfuClient, (digit) =>
          send({ type: "legKey", legId: media.legId, digit }),
        ),
});

process.on("message", (raw) => {
  const message = parseToWorker(raw);
  if (message !== undefined) host.handle(message);
});

process.on("disconnect", () => {
  setTimeout(() => process.exit(0), CLOSE_TIMEOUT_MS);
  void host.close().then(() => process.exit(0));
});
// Signals go to the whole process group (Ctrl-C in a terminal): the gateway decides when its workers end.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => {});

send({ type: "ready" });
