import type { MediaKey } from "../../calls/ports.ts";
import { GatewayError } from "../../errors.ts";
import type { SampleRateHz } from "../frame.ts";
import { LightUnsuitable } from "./light/unsuitable.ts";
import type { CreateSfuClient, SfuClient, SfuClientOptions } from "./port.ts";

export const SFU_CLIENT_CHOICES = ["auto", "light", "native"] as const;
/** `auto`: light, and native for an SFU with which light does not work. */
export type SfuClientChoice = (typeof SFU_CLIENT_CHOICES)[number];

export const parseSfuClientChoice = (text: string | undefined): SfuClientChoice =>
  SFU_CLIENT_CHOICES.find((choice) => choice === text) ?? "auto";

/** How long an SFU counts as one that light does not work with: often it was an outage, and finding out again costs one call 4 s. */
const REMEMBER_MS = 2 * 60_000;

type Load = () => Promise<CreateSfuClient>;

// Loaded when needed: each brings a native library of its own, which may not exist for this machine.
const loadLight: Load = async () => (await import("./light/client.ts")).createLightSfuClient;
const loadNative: Load = async () => {
  const { createNativeSfuClient, warmUpNativeSfu } = await import("./native.ts");
  warmUpNativeSfu();
  return createNativeSfuClient;
};

/** @param onFallback is told why `auto` takes the native client, once per SFU and time */
export const loadSfuClients = async (
  choice: SfuClientChoice,
  onFallback: (reason: string) => void,
): Promise<CreateSfuClient> => {
  if (choice === "native") return loadNative();
  if (choice === "light") return loadLight();
  try {
    return withFallback(await loadLight(), loadNative, onFallback);
  } catch (error) {
    onFallback(error instanceof Error ? error.message : String(error));
    return loadNative();
  }
};

/** A client that is the preferred one until that says, when it connects, that it cannot be used with this SFU. */
export const withFallback = (
  createPreferred: CreateSfuClient,
  loadOther: Load,
  onFallback: (reason: string) => void,
): CreateSfuClient => {
  const unsuitableUntilMs = new Map<string, number>();
  return (options: SfuClientOptions): SfuClient => {
    const { sfuUrl } = options.address;
    /** What the other client has to be told as well. */
    const keys: MediaKey[] = [];
    let rateHz: SampleRateHz | undefined;
    let muted = false;
    let settled = false;
    let closed = false;
    let client = createPreferred(options);

    const connectOther = async (): Promise<void> => {
      await client.close();
      const createOther = await loadOther();
      if (closed) throw new GatewayError("MEDIA_FAILED", "the call left while it was connecting to the SFU");
      client = createOther(options);
      for (const key of keys) client.setKey(key);
      client.listen(rateHz);
      await client.connect();
      client.setMuted(muted);
    };
    const connect = async (): Promise<void> => {
      if (performance.now() < (unsuitableUntilMs.get(sfuUrl) ?? 0)) return connectOther();
      try {
        await client.connect();
      } catch (error) {
        if (!(error instanceof Error && error.cause instanceof LightUnsuitable)) throw error;
        unsuitableUntilMs.set(sfuUrl, performance.now() + REMEMBER_MS);
        onFallback(error.message);
        await connectOther();
      }
    };
    return {
      async connect() {
        try {
          await connect();
        } finally {
          settled = true;
          keys.length = 0;
        }
      },
      send: (frame) => client.send(frame),
      skip: (frames) => client.skip(frames),
      flush: () => client.flush(),
      setMuted(value) {
        muted = value;
        client.setMuted(value);
      },
      press: (identity, key) => client.press(identity, key),
      setKey(key) {
        if (!settled) keys.push(key);
        client.setKey(key);
      },
      listen(sampleRateHz) {
        rateHz = sampleRateHz;
        client.listen(sampleRateHz);
      },
      review: () => client.review(),
      remoteTracks: () => client.remoteTracks(),
      close() {
        closed = true;
        return client.close();
      },
    };
  };
};
