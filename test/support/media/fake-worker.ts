/**
 * A worker process without audio, for tests of the pool: answers as a worker does. Some call ids make it misbehave: `refuse...`
 * fails to join, `crash...` ends the process, `hang...` stops answering anything.
 */
import type { FromWorker } from "../../../src/media/ipc.ts";
import { parseToWorker } from "../../../src/media/ipc.ts";

const send = (message: FromWorker): void => {
  process.send?.(message);
};
const keys: string[] = [];
const members = new Map<string, string[]>();
const arrivals: string[] = [];
let hung = false;

const silence = { signalSeconds: 0, silenceSeconds: 0, framesLost: 0, framesDropped: 0 };

process.on("message", (raw) => {
  const message = parseToWorker(raw);
  if (message === undefined || hung) return;
  if (message.type === "ping") {
    send({ type: "pong" });
    return;
  }
  if (message.type === "key") {
    keys.push(`${message.callId} ${message.identity} ${message.index} ${message.key}`);
    return;
  }
  if (message.type === "members") {
    members.set(message.callId, message.identities);
    return;
  }
  if (message.type === "arrival") {
    arrivals.push(`${message.roomId} ${message.tone}`);
    return;
  }
  const { callId, id } = message;
  if (message.type === "join") {
    if (callId.startsWith("crash")) process.exit(7);
    if (callId.startsWith("hang")) hung = true;
    if (hung) return;
    if (callId.startsWith("refuse")) {
      send({ type: "failed", id, code: "SFU_REFUSED", message: "no", retryable: true });
      return;
    }
  }
  if (message.type === "join") send({ type: "speakers", callId, identities: [`speaker of ${callId}`] });
  if (message.type === "enterLobby" && callId.startsWith("crash")) process.exit(7);
  if (message.type === "sayInLobby") {
    send({ type: "lobbyFact", callId, fact: { type: "lobby.said", token: message.token } });
  }
  if (message.type === "bridge") send({ type: "fact", callId, fact: { type: "media.flowing", direction: "toPhone" } });
  if (message.type === "prompt") {
    // What a test wants to know of this process.
    const fields = { pid: process.pid, keys: keys.splice(0), members: members.get(callId), arrivals };
    send({ type: "log", level: "info", fields, message: "seen" });
  }
  if (message.type === "press") {
    send({ type: "log", level: "info", fields: { callId, keys: message.keys }, message: "pressed" });
  }
  if (message.type === "leave") {
    const stats = { fromPhone: { ...silence, signalSeconds: 3 }, toPhone: silence, undecryptableMembers: 0 };
    send({ type: "stats", callId, stats });
  }
  send({ type: "done", id });
});
process.on("disconnect", () => process.exit(0));
send({ type: "ready" });
