import { fork } from "node:child_process";
import { once } from "node:events";

export type TalkerRequest =
  | { type: "join"; url: string; token: string; identity: string; encrypted: boolean }
  | { type: "key"; identity: string; index: number; key: string }
  | { type: "say"; frequencyHz: number | undefined; amplitude?: number }
  | { type: "press"; code: number; digit: string }
  | { type: "burst" }
  | { type: "quiet"; identity: string }
  | { type: "onset" }
  | { type: "level"; identity: string; frequencyHz: number; ms: number }
  | { type: "participants" };

export interface TalkerParticipant {
  identity: string;
  muted: boolean;
  tracks: number;
}

export interface TalkerAnswer {
  id: number;
  value?: number | TalkerParticipant[] | undefined;
  error?: string;
}

export interface Talker {
  readonly pid: number;
  join(access: { url: string; token: string; identity: string; encrypted: boolean }): Promise<void>;
  setKey(identity: string, index: number, key: Uint8Array): Promise<void>;
  /** Undefined: silence. */
  say(frequencyHz: number | undefined): Promise<void>;
  /** As livekit-sip does for its phone. */
  press(code: number, digit: string): Promise<void>;
  burst(): Promise<number>;
  /** Resolves after a quiet frame of a member; `at` with the moment of the loud sound that follows. */
  onset(identity: string): Promise<{ readonly at: Promise<number> }>;
  /** dBFS of a frequency in the last `ms` of what is heard of a member; -120 when nothing is. */
  level(identity: string, frequencyHz: number, ms?: number): Promise<number>;
  participants(): Promise<TalkerParticipant[]>;
  close(): Promise<void>;
}

/** Starts a member (talker-process.ts) that joins rooms of the SFU. */
export const startTalker = (): Talker => {
  const child = fork(new URL("./talker-process.ts", import.meta.url), {
    execArgv: [],
    env: { ...process.env, NODE_ENV: "production" },
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const pending = new Map<number, PromiseWithResolvers<TalkerAnswer["value"]>>();
  let nextId = 0;
  child.on("message", (answer: TalkerAnswer) => {
    const request = pending.get(answer.id);
    pending.delete(answer.id);
    if (answer.error === undefined) request?.resolve(answer.value);
    else request?.reject(new Error(answer.error));
  });
  const ask = (request: TalkerRequest): Promise<TalkerAnswer["value"]> => {
    const answer = Promise.withResolvers<TalkerAnswer["value"]>();
    nextId += 1;
    pending.set(nextId, answer);
    child.send({ id: nextId, request });
    return answer.promise;
  };
  const askNumber = async (request: TalkerRequest): Promise<number> => Number(await ask(request));
  const tell = async (request: TalkerRequest): Promise<void> => {
    await ask(request);
  };
  return {
    pid: child.pid!,
    join: (access) => tell({ type: "join", ...access }),
    setKey: (identity, index, key) => tell({ type: "key", identity, index, key: Buffer.from(key).toString("base64") }),
    say: (frequencyHz) => tell({ type: "say", frequencyHz }),
    press: (code, digit) => tell({ type: "press", code, digit }),
    burst: () => askNumber({ type: "burst" }),
    onset: async (identity) => {
      await tell({ type: "quiet", identity });
      return { at: askNumber({ type: "onset" }) };
    },
    level: (identity, frequencyHz, ms = 500) => askNumber({ type: "level", identity, frequencyHz, ms }),
    participants: async () => (await ask({ type: "participants" })) as TalkerParticipant[],
    async close() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, "exit");
      child.kill("SIGKILL");
      await exited;
    },
  };
};
