/** `npm run bench -- speech`: how speech sounds after the way through gateway and SFU, with and without loss on it. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AccessToken } from "livekit-server-sdk";
import { readWav } from "../../lab/audio/wav.ts";
import { type Lab, startLab } from "../../lab/lab.ts";
import { type Path, startLossyRelay } from "../../lab/network/lossy-relay.ts";
import type { FromPeer, PeerKind, PeerOptions, ToPeer } from "./peer-port.ts";
import { installScorer } from "./score.ts";

/** One way of a phone's voice, or of the conference's to a phone; the bad network is between gateway and SFU. */
const WAYS = [
  { name: "phone → Element Call, G.711", from: "light", to: "native", publishes: "alaw" },
  { name: "phone → Element Call, Opus", from: "light", to: "native", publishes: "opus" },
  { name: "Element Call → phone", from: "native", to: "light", publishes: "opus" },
] as const satisfies readonly { name: string; from: PeerKind; to: PeerKind; publishes: "alaw" | "opus" }[];
type Way = (typeof WAYS)[number];

/** A round trip of 60 ms everywhere: without one, everything that is lost would be there again at once. */
const DELAY_MS = 30;
const PATHS: readonly (Path & { readonly name: string })[] = [
  { name: "no loss", loss: 0, jitterMs: 0, delayMs: DELAY_MS },
  { name: "1 % loss", loss: 0.01, jitterMs: 0, delayMs: DELAY_MS },
  { name: "5 % loss", loss: 0.05, jitterMs: 0, delayMs: DELAY_MS },
  { name: "10 % loss", loss: 0.1, jitterMs: 0, delayMs: DELAY_MS },
  // Too far for what is asked for again to be in time.
  { name: "5 % loss, round trip 300 ms", loss: 0.05, jitterMs: 0, delayMs: 150 },
  { name: "50 ms jitter", loss: 0, jitterMs: 50, delayMs: DELAY_MS },
  { name: "200 ms jitter", loss: 0, jitterMs: 200, delayMs: DELAY_MS },
];

/** Telephone speech in three languages, about 16 s with a pause after each sentence. */
const SENTENCES = ["en/help", "fr/wrong-pin", "de/help"];
const PAUSE_SAMPLES = 4000;
const WITHIN_MS = 60_000;

const writeReference = async (file: string): Promise<void> => {
  const parts: Int16Array[] = [];
  for (const name of SENTENCES) {
    const { samples } = await readWav(new URL(`../../../src/media/prompts/${name}.wav`, import.meta.url).pathname);
    parts.push(samples, new Int16Array(PAUSE_SAMPLES));
  }
  const first = parts[0]!.findIndex((sample) => Math.abs(sample) > 300);
  parts[0] = parts[0]!.subarray(Math.max(0, first));
  await writeFile(file, Buffer.concat(parts.map((part) => Buffer.from(part.slice().buffer))));
};

const openPeer = async (scope: AsyncDisposableStack, options: PeerOptions) => {
  const child: ChildProcess = fork(new URL("./peer.ts", import.meta.url), {
    env: { ...process.env, NODE_ENV: "production", NODE_NO_WARNINGS: "1", RUST_LOG: "off" },
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  scope.defer(() => void child.kill("SIGKILL"));
  const waiting = new Map<FromPeer["type"], () => void>();
  const came = new Set<FromPeer["type"]>();
  child.on("message", ({ type }: FromPeer) => {
    came.add(type);
    waiting.get(type)?.();
  });
  const until = async (type: FromPeer["type"]): Promise<void> => {
    if (came.has(type)) return;
    const ended = once(child, "exit").then(() => {
      throw new Error(`a peer of ${options.address.identity} ended before it ${type}`);
    });
    ended.catch(() => {});
    const late = AbortSignal.timeout(WITHIN_MS);
    await Promise.race([
      new Promise<void>((resolve) => waiting.set(type, resolve)),
      ended,
      once(late, "abort").then(() => {
        throw new Error(`${options.address.identity} has not ${type} within ${WITHIN_MS / 1000} s`);
      }),
    ]);
  };
  const send = (message: ToPeer): void => void child.send(message);
  await until("started");
  send({ type: "open", options });
  await until("opened");
  return { send, until };
};

/** Speech once through a way; resolves with the file of what came out. */
const play = async (lab: Lab, way: Way, path: Path, reference: string, heard: string): Promise<void> => {
  await using scope = new AsyncDisposableStack();
  const { wsUrl, apiKey, apiSecret } = lab.livekit;
  const room = crypto.randomUUID();
  const relay = scope.use(await startLossyRelay(wsUrl));
  const keys = {
    from: Buffer.alloc(16, 1).toString("base64"),
    to: Buffer.alloc(16, 2).toString("base64"),
  };
  const addressOf = async (identity: string, kind: PeerKind): Promise<PeerOptions["address"]> => {
    const token = new AccessToken(apiKey, apiSecret, { identity });
    token.addGrant({ roomJoin: true, room });
    return { sfuUrl: kind === "light" ? relay.url : wsUrl, token: await token.toJwt(), identity, encrypted: true };
  };
  const to = await openPeer(scope, {
    kind: way.to,
    address: await addressOf("to", way.to),
    publishes: "opus",
    keys,
    hears: { identity: "from", file: heard },
  });
  const from = await openPeer(scope, {
    kind: way.from,
    address: await addressOf("from", way.from),
    publishes: way.publishes,
    keys,
    says: reference,
  });
  Object.assign(relay.path, path);
  // Silence passes until here: the track is subscribed, and the buffers know the network.
  await new Promise((resolve) => setTimeout(resolve, 3000));
  from.send({ type: "say" });
  await to.until("hears");
  await from.until("said");
  await new Promise((resolve) => setTimeout(resolve, 1500));
  to.send({ type: "save" });
  await to.until("saved");
};

/** Prints PESQ of every way on every path; the exit code. */
export const runSpeech = async (progress: (line: string) => void): Promise<number> => {
  const score = await installScorer(progress);
  const folder = await mkdtemp(join(tmpdir(), "mrtc-speech-"));
  await using lab = await startLab({ parts: ["livekit"] });
  const reference = join(folder, "reference");
  await writeReference(reference);
  const seconds = (await readFile(reference)).length / 2 / 8000;
  progress(`${seconds.toFixed(0)} s of speech, three ways at once`);
  console.log(
    `| PESQ (narrowband) | ${WAYS.map(({ name }) => name).join(" | ")} |\n|---|${"---|".repeat(WAYS.length)}`,
  );
  for (const path of PATHS) {
    const files = WAYS.map((_, i) => join(folder, String(i)));
    await Promise.all(WAYS.map((way, i) => play(lab, way, path, reference, files[i]!)));
    const scores = await Promise.all(files.map((file) => score(reference, file)));
    console.log(`| ${path.name} | ${scores.map((value) => value.toFixed(2)).join(" | ")} |`);
  }
  await rm(folder, { recursive: true });
  return 0;
};
