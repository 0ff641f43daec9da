import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";

import { readWav, writeWav } from "../audio/wav.ts";
import { connectPhone, type PhoneEvent } from "./control.ts";

/** A desk phone of the lab: a real SIP phone (baresip), registered at the PBX. One call at a time. */
export interface LabPhone {
  number: string;
  /** What it says all the time. */
  toneHz: number;
  /** "manual" (as it starts) lets it ring; "auto" answers as soon as it rings. */
  answerMode: "manual" | "auto";
  readonly state: "idle" | "ringing" | "calling" | "established";
  /** Resolves when it rings; at once when it does already. All waits throw after 15 s with what happened instead. */
  waitForRinging(timeoutMs?: number): Promise<void>;
  waitForEstablished(timeoutMs?: number): Promise<void>;
  /** Resolves with the reason ("486 Busy Here") when it has no call any more. */
  waitForClosed(timeoutMs?: number): Promise<string>;
  answer(): Promise<void>;
  /** Ends or refuses the call. */
  hangup(): Promise<void>;
  /** Starts a call; the number as on a desk phone. */
  dial(number: string): Promise<void>;
  /** Presses keys in a call, one after the other; resolves when the phone has taken them, before it has sent them. */
  press(digits: string): Promise<void>;
  /** The hold key, and again to come back. */
  hold(): Promise<void>;
  resume(): Promise<void>;
  /** Says a WAV file (8 kHz) in this call, then goes on with its tone; resolves when it has begun. */
  speak(wavFile: string): Promise<void>;
  /** Keys it was sent in calls so far. */
  readonly keysHeard: string;
  /** Resolves when keysHeard ends in `keys`. */
  waitForKeys(keys: string, timeoutMs?: number): Promise<void>;
  /** Every event of the phone as it comes; call what it returns to stop. */
  on(listener: (event: PhoneEvent) => void): () => void;
  /** WAV of what it heard in its last call; complete when that is over, growing before. */
  heardWav(): Promise<string>;
}

const STATE_AFTER: Record<string, LabPhone["state"] | undefined> = {
  CALL_INCOMING: "ringing",
  CALL_OUTGOING: "calling",
  CALL_RINGING: "calling",
  CALL_PROGRESS: "calling",
  CALL_ESTABLISHED: "established",
  CALL_CLOSED: "idle",
};
const DEFAULT_WAIT_MS = 15_000;

/** Takes control of a running baresip; `close` lets go of it without stopping it. */
export async function createPhone(options: {
  number: string;
  toneHz: number;
  controlPort: number;
  /** Folder where baresip records. */
  recordings: string;
  /** What it says all the time. */
  toneWav: string;
}): Promise<LabPhone & { isRegistered(): Promise<boolean>; close(): void }> {
  const { number, toneHz, recordings, toneWav } = options;
  const listeners = new Set<(event: PhoneEvent) => void>();
  const seen: string[] = [];
  let state: LabPhone["state"] = "idle";
  let closeReason = "";
  let keysHeard = "";

  const control = await connectPhone(options.controlPort, (event) => {
    seen.push(event.type);
    state = STATE_AFTER[event.type] ?? state;
    if (event.type === "CALL_CLOSED") closeReason = event.param;
    if (event.type === "CALL_DTMF_START") keysHeard += event.param;
    if (event.type === "CALL_INCOMING" && phone.answerMode === "auto") void phone.answer();
    for (const listener of listeners) listener(event);
  });

  const on: LabPhone["on"] = (listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  };

  /** Resolves as soon as `holds`, which is looked at now and after each event. */
  const waitUntil = (what: string, holds: () => boolean, timeoutMs = DEFAULT_WAIT_MS): Promise<void> =>
    new Promise((resolve, reject) => {
      const finish = (settle: () => void) => {
        stopListening();
        clearTimeout(timer);
        settle();
      };
      const check = () => {
        if (holds()) finish(resolve);
      };
      const stopListening = on(check);
      const fail = () =>
        reject(
          new Error(`phone ${number}: no ${what} within ${timeoutMs} ms; it is ${state}, events: ${seen.join(" ")}`),
        );
      const timer = setTimeout(finish, timeoutMs, fail);
      check();
    });
  const waitFor = (wanted: LabPhone["state"], timeoutMs?: number) =>
    waitUntil(wanted, () => state === wanted, timeoutMs);

  const phone: LabPhone & { isRegistered(): Promise<boolean>; close(): void } = {
    number,
    toneHz,
    answerMode: "manual",
    get state() {
      return state;
    },
    get keysHeard() {
      return keysHeard;
    },
    on,
    waitForRinging: (timeoutMs) => waitFor("ringing", timeoutMs),
    waitForEstablished: (timeoutMs) => waitFor("established", timeoutMs),
    waitForClosed: async (timeoutMs) => {
      await waitFor("idle", timeoutMs);
      return closeReason;
    },
    waitForKeys: (keys, timeoutMs) => waitUntil(`keys ${keys}`, () => keysHeard.endsWith(keys), timeoutMs),
    answer: async () => {
      await control.command("accept");
    },
    hangup: async () => {
      await control.command("hangup");
    },
    dial: async (called) => {
      // Before the command: a call that is refused at once is over when the phone says that it has dialled.
      state = "calling";
      // A bare number takes the account's host and port; a full address would need the port.
      await control.command("dial", called);
    },
    press: async (digits) => {
      await control.command("sndcode", digits);
    },
    hold: async () => {
      await control.command("hold");
    },
    resume: async () => {
      await control.command("resume");
    },
    speak: async (wavFile) => {
      const wav = await readWav(wavFile);
      if (wav.sampleRateHz !== 8000) throw new Error(`${wavFile} has ${wav.sampleRateHz} Hz, a phone needs 8000`);
      // One file with both: baresip hangs up at the end of a file.
      const tone = await readWav(toneWav);
      const both = new Int16Array(wav.samples.length + tone.samples.length);
      both.set(wav.samples);
      both.set(tone.samples, wav.samples.length);
      const file = join(recordings, "speaks.wav");
      await writeWav(file, both, 8000);
      await control.command("ausrc", `aufile,${file}`);
    },
    heardWav: async () => {
      const names = (await readdir(recordings)).filter((name) => name.endsWith("-dec.wav"));
      const files = await Promise.all(
        names.map(async (name) => ({
          file: join(recordings, name),
          at: (await stat(join(recordings, name))).birthtimeMs,
        })),
      );
      const [newest] = files.sort((a, b) => b.at - a.at);
      if (newest === undefined) throw new Error(`phone ${number} has not heard anything yet`);
      return newest.file;
    },
    // No \\b before OK: a colour code ends in a letter there.
    isRegistered: async () => /OK\b/.test(await control.command("reginfo")),
    close: () => control.close(),
  };
  return phone;
}
