import { fork } from "node:child_process";
import { once } from "node:events";

import type { SfuClientChoice } from "../../../src/media/sfu/choose.ts";
import type { SfuAddress, SfuClientOptions } from "../../../src/media/sfu/port.ts";

export type ClientKind = SfuClientChoice;
export type Published = NonNullable<SfuClientOptions["publishes"]>;

/** What a member says: a tone of the codec; 0 Hz is silence with frames. */
export interface Saying {
  codec: "alaw" | "ulaw" | "opus" | "slin";
  frequencyHz: number;
  /** Frames sent every 20 ms, each several times: more than one is an attack. */
  times?: number;
}

export type MemberRequest =
  | { type: "open"; kind: ClientKind; address: SfuAddress; publishes: Published; takesKeys: boolean }
  | { type: "connect" }
  | { type: "say"; saying: Saying | undefined }
  | { type: "key"; identity: string; index: number; key: string }
  | { type: "press"; identity: string; key: string }
  | { type: "muted"; muted: boolean }
  | { type: "listen"; listening: boolean }
  | { type: "wants"; wanted: readonly string[] | "everybody" }
  | { type: "skip"; frames: number }
  | { type: "level"; identity: string; frequencyHz: number; ms: number }
  | { type: "heard"; identity: string }
  | { type: "tracks" }
  | { type: "states" }
  | { type: "ended" }
  | { type: "keys" }
  | { type: "usage" }
  | { type: "close" };

export interface TrackView {
  trackId: string;
  identity: string;
  muted: boolean;
  undecryptable: boolean;
}

/** Frames that came, and those they said to be missing before them. */
export interface HeardView {
  count: number;
  lost: number;
  codec: string;
}

export interface MemberAnswer {
  id: number;
  value?: number | readonly TrackView[] | readonly string[] | HeardView | undefined;
  error?: { code?: string; message: string; cause?: string; causeName?: string };
}

/** An SfuClient in a process of its own (sfu-member-process.ts). */
export interface SfuMember {
  readonly pid: number;
  /** Rejects as the client does: an error with `code`, `message`, and the words and name of its cause. */
  connect(): Promise<void>;
  /** Undefined: sends nothing. */
  say(codec: Saying["codec"], frequencyHz: number, times?: number): Promise<void>;
  fallSilent(): Promise<void>;
  setKey(identity: string, index: number, key: Uint8Array): Promise<void>;
  press(identity: string, key: string): Promise<void>;
  setMuted(muted: boolean): Promise<void>;
  listen(listening: boolean): Promise<void>;
  want(wanted: readonly string[] | "everybody"): Promise<void>;
  skip(frames: number): Promise<void>;
  /** dBFS of a frequency in the last `ms` of what is heard of a member; -120 when nothing is. */
  level(identity: string, frequencyHz: number, ms?: number): Promise<number>;
  heard(identity: string): Promise<HeardView>;
  tracks(): Promise<readonly TrackView[]>;
  /** All that were reported, as `state: message`; of `auto` also `native: why it is that`. */
  states(): Promise<readonly string[]>;
  /** Identities of the tracks that were reported as ended. */
  ended(): Promise<readonly string[]>;
  /** Those that others pressed, as `identity key`. */
  keys(): Promise<readonly string[]>;
  /** Microseconds of CPU so far, and memory in bytes. */
  usage(): Promise<{ cpuUs: number; rssBytes: number }>;
  /** Closes the client; the process goes on. */
  close(): Promise<void>;
  kill(): Promise<void>;
}

export const startSfuMember = async (
  kind: ClientKind,
  address: SfuAddress,
  publishes: Published,
  takesKeys: boolean,
): Promise<SfuMember> => {
  const child = fork(new URL("./sfu-member-process.ts", import.meta.url), {
    execArgv: [],
    env: { ...process.env, NODE_ENV: "production", NODE_NO_WARNINGS: "1", RUST_LOG: "off" },
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const pending = new Map<number, PromiseWithResolvers<MemberAnswer["value"]>>();
  const ready = Promise.withResolvers<void>();
  let nextId = 0;
  child.on("message", ({ id, value, error }: MemberAnswer) => {
    if (id === 0) ready.resolve();
    if (error === undefined) pending.get(id)?.resolve(value);
    else pending.get(id)?.reject(Object.assign(new Error(error.message), error));
    pending.delete(id);
  });
  child.on("exit", (code, signal) => {
    const died = new Error(`the member's process ended (${signal ?? code})`);
    ready.reject(died);
    for (const answer of pending.values()) answer.reject(died);
  });
  const ask = (request: MemberRequest): Promise<MemberAnswer["value"]> => {
    const answer = Promise.withResolvers<MemberAnswer["value"]>();
    nextId += 1;
    pending.set(nextId, answer);
    child.send({ id: nextId, request }, (error) => {
      if (error !== null) answer.reject(error);
    });
    return answer.promise;
  };
  const tell = async (request: MemberRequest): Promise<void> => {
    await ask(request);
  };
  await ready.promise;
  await tell({ type: "open", kind, address, publishes, takesKeys });
  return {
    pid: child.pid!,
    connect: () => tell({ type: "connect" }),
    say: (codec, frequencyHz, times = 1) => tell({ type: "say", saying: { codec, frequencyHz, times } }),
    fallSilent: () => tell({ type: "say", saying: undefined }),
    setKey: (identity, index, key) => tell({ type: "key", identity, index, key: Buffer.from(key).toString("base64") }),
    press: (identity, key) => tell({ type: "press", identity, key }),
    setMuted: (muted) => tell({ type: "muted", muted }),
    listen: (listening) => tell({ type: "listen", listening }),
    want: (wanted) => tell({ type: "wants", wanted }),
    skip: (frames) => tell({ type: "skip", frames }),
    level: async (identity, frequencyHz, ms = 500) => Number(await ask({ type: "level", identity, frequencyHz, ms })),
    heard: async (identity) => (await ask({ type: "heard", identity })) as HeardView,
    tracks: async () => (await ask({ type: "tracks" })) as readonly TrackView[],
    states: async () => (await ask({ type: "states" })) as readonly string[],
    ended: async () => (await ask({ type: "ended" })) as readonly string[],
    keys: async () => (await ask({ type: "keys" })) as readonly string[],
    async usage() {
      const { count, lost } = (await ask({ type: "usage" })) as HeardView;
      return { cpuUs: count, rssBytes: lost };
    },
    close: () => tell({ type: "close" }),
    async kill() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, "exit");
      child.kill("SIGKILL");
      await exited;
    },
  };
};
