import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";

import type { BrowserContext, Frame, Page } from "playwright-core";

import { createHearing, type Hearing, type HearOptions, type HeardTone, nowMs } from "../member/hearing.ts";
import type { HeardFrequency } from "../member/tone-detection.ts";
import { receiveCapture } from "./capture.ts";
import type { ElementCallHost } from "./host.ts";
import {
  type CallIntent,
  CAPTURE_RATE_HZ,
  type LabHostApi,
  type PageEvent,
  type RoomMessage,
} from "./page/protocol.ts";
import { readText, readTiles, type Tile } from "./tiles.ts";

export interface ElementCallOptions {
  readonly host: ElementCallHost;
  readonly user: { readonly userId: string; readonly password: string };
  readonly roomId: string;
  /** Tone of the microphone from the start; 0 is silence. */
  readonly microphoneToneHz: number;
  /** Default -12 dBFS. */
  readonly microphoneLevelDbfs?: number;
  readonly intent?: CallIntent;
  /**
   * Size of the page and so of its screenshots. Default 720 x 640: a small page costs less CPU, but at 600 or less in
   * either direction Element Call changes to layouts for phones, which hide names.
   */
  readonly screenshotSize?: { readonly width: number; readonly height: number };
}

/** One user in the real Element Call, in a page of the host's browser. Every wait ends with an error that says what was seen. */
export interface ElementCallMember extends AsyncDisposable {
  readonly userId: string;
  readonly deviceId: string;
  /** Opens Element Call and joins. Not needed after joinElementCall. */
  join(): Promise<void>;
  /** Resolves when the own membership is in the room and the microphone is published on the SFU. */
  waitForJoined(withinMs?: number): Promise<void>;
  /** Resolves when the host rings for a call of the room, or does not (any more). */
  waitForRinging(isRinging: boolean, withinMs?: number): Promise<void>;
  tiles(): Promise<Tile[]>;
  /** Resolves with the tile of that name, optionally in a state. */
  waitForTile(name: string, options?: { withinMs?: number; is?: Partial<Tile> }): Promise<Tile>;
  waitForNoTile(name: string, withinMs?: number): Promise<void>;
  /** Tones of each remote track over the last second. */
  heard(): (HeardFrequency & { source: string })[];
  hear(frequencyHz: number, options?: HearOptions): Promise<HeardTone>;
  heardSince(sinceMs: number): (HeardFrequency & { source: string })[];
  /** All that was played so far, mixed, 16 kHz mono. */
  recording(): { readonly pcm: Int16Array; readonly sampleRateHz: number };
  /** 0 is silence. */
  setMicrophoneTone(frequencyHz: number): Promise<void>;
  setMicrophoneMuted(muted: boolean): Promise<void>;
  /** A text into the room, encrypted when the room is; resolves with the event id. */
  sendMessage(body: string): Promise<string>;
  /** The first message, past ones included, that fits. */
  waitForMessage(predicate: (message: RoomMessage) => boolean, withinMs?: number): Promise<RoomMessage>;
  invite(userId: string): Promise<void>;
  screenshot(path: string): Promise<void>;
  /** Hangs up; resolves when Element Call has left and its membership is gone. */
  leave(): Promise<void>;
  /** Leaves if still joined, deletes the device, closes the page. */
  close(): Promise<void>;
}

const POLL_MS = 100;
const CALL_TIMEOUT_MS = 30_000;

/** The user's device is in the room, known to the server and to this page's crypto; Element Call is not open yet. */
export async function openElementCall(options: ElementCallOptions): Promise<ElementCallMember> {
  const { host } = options;
  const id = randomBytes(6).toString("hex");
  const hearing = createHearing({ sampleRateHz: CAPTURE_RATE_HZ, windowMs: 200, keepMs: 600_000 });
  const socketUrl = host.expectCapture(id, (socket) => receiveCapture(socket, hearing));

  const browser = await host.browser();
  const context = await browser.newContext({
    viewport: options.screenshotSize ?? { width: 720, height: 640 },
    reducedMotion: "reduce",
  });
  try {
    const page = await context.newPage();
    const facts = await watchPage(page);
    const settings = {
      socketUrl,
      toneHz: options.microphoneToneHz,
      toneLevelDbfs: options.microphoneLevelDbfs ?? -12,
    };
    await page.addInitScript({ content: `window.labCapture = ${JSON.stringify(settings)};${host.automationScript}` });
    await page.goto(
      host.sessionUrl({
        user: options.user.userId,
        password: options.user.password,
        room: options.roomId,
        intent: options.intent ?? "join_existing_voice",
        driver: "automated",
      }),
    );
    const callHost = createCaller(page, facts);
    const device = await callHost<{ userId: string; deviceId: string }>("ready");
    return describeMember(page, context, hearing, facts, callHost, device);
  } catch (error) {
    await context.close();
    throw error;
  }
}

/** Opens Element Call as this user and waits until it is in the call. */
export async function joinElementCall(options: ElementCallOptions): Promise<ElementCallMember> {
  const member = await openElementCall(options);
  try {
    await member.join();
    await member.waitForJoined();
    return member;
  } catch (error) {
    await member.close();
    throw error;
  }
}

/** What the page has told so far. */
interface PageFacts {
  readonly events: PageEvent[];
  readonly messages: RoomMessage[];
  /** Console errors and failed requests, for error messages. */
  readonly complaints: string[];
}

async function watchPage(page: Page): Promise<PageFacts> {
  const facts: PageFacts = { events: [], messages: [], complaints: [] };
  await page.exposeBinding("labEvent", (_source, event: PageEvent) => {
    facts.events.push(event);
    if (event.kind === "message") facts.messages.push(event.message);
  });
  page.on("pageerror", (error) => facts.complaints.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") facts.complaints.push(message.text().slice(0, 300));
  });
  return facts;
}

/** Calls a method of `window.labHost`, or awaits a property of it (`args` undefined). */
type CallHost = <T = void>(member: keyof LabHostApi, args?: unknown[]) => Promise<T>;

const createCaller =
  (page: Page, facts: PageFacts): CallHost =>
  async (member, args) => {
    const call = args === undefined ? "" : `(${args.map((argument) => JSON.stringify(argument)).join(", ")})`;
    const timer = new AbortController();
    const tooLate = delay(CALL_TIMEOUT_MS, undefined, { signal: timer.signal }).then(() => {
      throw new Error(`the page did not answer to ${member}; console: ${lastComplaints(facts)}`);
    });
    try {
      return (await Promise.race([page.evaluate(`window.labHost.${member}${call}`), tooLate])) as never;
    } finally {
      timer.abort();
    }
  };

const lastComplaints = (facts: PageFacts): string => facts.complaints.slice(-5).join(" | ") || "no errors";

function describeMember(
  page: Page,
  context: BrowserContext,
  hearing: Hearing,
  facts: PageFacts,
  callHost: CallHost,
  device: { readonly userId: string; readonly deviceId: string },
): ElementCallMember {
  const isMember = (): boolean => facts.events.findLast((event) => event.kind === "membership")?.present ?? false;
  const isRinging = (): boolean => facts.events.findLast((event) => event.kind === "ringing")?.present ?? false;
  const frame = (): Frame | undefined => page.frames().find((each) => each.url().includes("/element-call/"));
  const tiles = async (): Promise<Tile[]> => {
    const it = frame();
    return it === undefined ? [] : readTiles(it);
  };
  const inFrame = async (script: string): Promise<void> => {
    await frame()?.evaluate(script);
  };
  /** Polls until `look` gives something; the error says what the page shows and what it complained about. */
  const until = async <T>(what: string, withinMs: number, look: () => Promise<T | undefined>): Promise<T> => {
    for (const endMs = nowMs() + withinMs; nowMs() < endMs; await delay(POLL_MS)) {
      const found = await look();
      if (found !== undefined) return found;
    }
    const it = frame();
    const shown = it === undefined ? "Element Call is not open" : await readText(it).catch(String);
    const seen = JSON.stringify(await tiles().catch(() => []));
    throw new Error(
      `${device.userId} did not see ${what} within ${withinMs / 1000} s; tiles: ${seen}; text: ${shown}; ` +
        `console: ${lastComplaints(facts)}`,
    );
  };
  const leave = async (): Promise<void> => {
    await callHost("hangUp", []);
    await until("its own membership go", 10_000, async () => (isMember() ? undefined : true));
  };
  const close = async (): Promise<void> => {
    if (isMember()) await leave().catch(() => {});
    await callHost("logOut", []).catch(() => {});
    await context.close();
  };
  return {
    ...device,
    join: () => callHost("join", []),
    waitForJoined: async (withinMs = 20_000) => {
      await until("itself joined", withinMs, async () => {
        if (!isMember()) return undefined;
        return (await tiles()).some((tile) => tile.microphone === "on") ? true : undefined;
      });
    },
    waitForRinging: async (expected, withinMs = 10_000) => {
      const what = expected ? "a call ring" : "the ringing stop";
      await until(what, withinMs, async () => (isRinging() === expected ? true : undefined));
    },
    tiles,
    waitForTile: (name, { withinMs = 10_000, is = {} } = {}) =>
      until(`a tile "${name}" ${JSON.stringify(is)}`, withinMs, async () =>
        (await tiles()).find(
          (tile) => tile.name === name && Object.entries(is).every(([key, value]) => tile[key as keyof Tile] === value),
        ),
      ),
    waitForNoTile: async (name, withinMs = 10_000) => {
      await until(`the tile "${name}" go`, withinMs, async () =>
        (await tiles()).some((tile) => tile.name === name) ? undefined : true,
      );
    },
    heard: () => hearing.heardSince(nowMs() - 1000),
    hear: (frequencyHz, options) => hearing.hear(frequencyHz, options),
    heardSince: (sinceMs) => hearing.heardSince(sinceMs),
    recording: () => ({ pcm: hearing.recording(), sampleRateHz: CAPTURE_RATE_HZ }),
    setMicrophoneTone: (frequencyHz) => inFrame(`window.labMicrophone.setTone(${frequencyHz})`),
    setMicrophoneMuted: (muted) => callHost("setMicrophoneMuted", [muted]),
    sendMessage: (body) => callHost("sendMessage", [body]),
    waitForMessage: (predicate, withinMs = 10_000) =>
      until("such a message", withinMs, async () => facts.messages.find(predicate)),
    invite: (userId) => callHost("invite", [userId]),
    screenshot: async (path) => {
      await page.screenshot({ path });
    },
    leave,
    close,
    [Symbol.asyncDispose]: close,
  };
}
