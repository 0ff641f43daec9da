import { expect, test } from "@jest/globals";

import { createListener } from "../../../src/media/listener.ts";
import { createMixer } from "../../../src/media/mixer.ts";
import type { RemoteTrack, SfuClient } from "../../../src/media/sfu/port.ts";

const SAMPLES = 160;
const SPEECH = { codec: "slin", sampleRateHz: 8000, samples: new Int16Array(SAMPLES).fill(1000) } as const;

/** Connections of phones to one conference in which one member talks; each gives frames only while it is asked to listen. */
const createRun = () => {
  const listener = createListener(8000, () => 0);
  const listening = new Set<SfuClient>();
  const connect = (name: string): SfuClient & { readonly track: RemoteTrack } => {
    const track = { trackId: "talker", identity: `talker, as ${name} sees it`, muted: false, undecryptable: false };
    const part: Partial<SfuClient> & { track: RemoteTrack } = {
      track,
      listen: (rateHz) => (rateHz === undefined ? listening.delete(client) : listening.add(client)),
      setKey: () => {},
      remoteTracks: () => [track],
    };
    const client = part as SfuClient & { readonly track: RemoteTrack };
    listener.add(client);
    return client;
  };
  return {
    listener,
    connect,
    listens: (client: SfuClient) => listening.has(client),
    /** One frame of the talker at every connection that listens, and what the phones then get of it. */
    hear: (...clients: ReturnType<typeof connect>[]): number => {
      for (const client of clients) if (listening.has(client)) listener.onFrame(client, client.track, SPEECH);
      const mixer = createMixer(SAMPLES);
      listener.mixInto(mixer);
      return mixer.without(undefined, undefined)[0] ?? 0;
    },
  };
};

test("of two connections one listens, and when it leaves the other one has heard the talker before", async () => {
  const { listener, connect, listens, hear } = createRun();
  const [first, second] = [connect("first"), connect("second")];
  expect([listens(first), listens(second)]).toEqual([true, false]);
  expect(hear(first, second)).toBe(1000);
  const handedOver = listener.handOver(first);
  expect([listens(first), listens(second)]).toEqual([true, true]);
  expect(hear(first, second)).toBe(1000);
  await handedOver;
  listener.remove(first);
  expect([listens(first), listens(second)]).toEqual([false, true]);
  expect(hear(first, second)).toBe(1000);
});

test("when phones leave together, the one that stays hears the talker", async () => {
  const { listener, connect, listens, hear } = createRun();
  const [first, second, third] = [connect("first"), connect("second"), connect("third")];
  hear(first, second, third);
  const leave = async (client: SfuClient): Promise<void> => {
    await listener.handOver(client);
    listener.remove(client);
  };
  await Promise.all([leave(first), leave(second)]);
  expect([listens(first), listens(second), listens(third)]).toEqual([false, false, true]);
  expect(hear(first, second, third)).toBe(1000);
});

test("a connection that is lost while it takes over is replaced by the next", async () => {
  const { listener, connect, listens, hear } = createRun();
  const [first, second, third] = [connect("first"), connect("second"), connect("third")];
  hear(first, second, third);
  const handedOver = listener.handOver(first);
  listener.remove(second);
  listener.remove(first);
  await handedOver;
  expect([listens(first), listens(second), listens(third)]).toEqual([false, false, true]);
  expect(hear(first, second, third)).toBe(1000);
});
