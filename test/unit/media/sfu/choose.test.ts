import { beforeEach, describe, expect, test } from "@jest/globals";

import { GatewayError } from "../../../../src/errors.ts";
import { parseSfuClientChoice, withFallback } from "../../../../src/media/sfu/choose.ts";
import { LightUnsuitable } from "../../../../src/media/sfu/light/unsuitable.ts";
import type { CreateSfuClient, SfuClientOptions } from "../../../../src/media/sfu/port.ts";

const unsuitable = new GatewayError("MEDIA_FAILED", "no UDP", { cause: new LightUnsuitable("no UDP") });

let done: string[];
let reasons: string[];
let lightFails: Error | undefined;
beforeEach(() => {
  done = [];
  reasons = [];
  lightFails = unsuitable;
});

const create =
  (name: string, connect: () => Promise<void>): CreateSfuClient =>
  () => ({
    async connect() {
      done.push(`${name} connects`);
      await connect();
    },
    send: () => done.push(`${name} sends`),
    skip: () => {},
    flush: () => {},
    setMuted: (muted) => done.push(`${name} muted ${muted}`),
    setKey: ({ index }) => done.push(`${name} key ${index}`),
    listen: (rate) => done.push(`${name} listens ${rate}`),
    review: () => {},
    press: async () => {},
    remoteTracks: () => [],
    close: async () => {
      done.push(`${name} closes`);
    },
  });

const options: SfuClientOptions = {
  address: { sfuUrl: "wss://sfu.example.org", token: "", identity: "me", encrypted: true },
  wants: () => true,
  events: { onState: () => {}, onFrame: () => {}, onTrackEnded: () => {} },
};
const key = (index: number) => ({ identity: "me", index, key: new Uint8Array(16) });

describe("the client that falls back", () => {
  const createAuto = () =>
    withFallback(
      create("light", async () => {
        if (lightFails !== undefined) throw lightFails;
      }),
      async () => create("native", async () => {}),
      (reason) => reasons.push(reason),
    );

  test("an SFU with which light does not work gets native, which is told all that was said before", async () => {
    const client = createAuto()(options);
    client.setKey(key(1));
    client.listen(16000);
    client.setMuted(true);
    await client.connect();
    client.setKey(key(2));
    expect(done.slice(done.indexOf("light closes"))).toEqual([
      "light closes",
      "native key 1",
      "native listens 16000",
      "native connects",
      "native muted true",
      "native key 2",
    ]);
    expect(reasons).toEqual(["no UDP"]);
  });

  test("the next call to the same SFU does not try light first", async () => {
    const createClient = createAuto();
    await createClient(options).connect();
    done.length = 0;
    await createClient(options).connect();
    expect(done).not.toContain("light connects");
    expect(reasons).toHaveLength(1);
  });

  test("other errors are the caller's", async () => {
    lightFails = new GatewayError("SFU_REFUSED", "token");
    await expect(createAuto()(options).connect()).rejects.toBe(lightFails);
    expect(done).toEqual(["light connects"]);
  });

  test("closed during the fallback: nothing is opened any more", async () => {
    const client = createAuto()(options);
    const connecting = client.connect();
    await client.close();
    await expect(connecting).rejects.toMatchObject({ code: "MEDIA_FAILED" });
    expect(done.filter((text) => text.startsWith("native"))).toEqual([]);
  });
});

test("a worker without a choice, or with a wrong one, chooses by itself", () => {
  expect([undefined, "", "libwebrtc", "native"].map((text) => parseSfuClientChoice(text))).toEqual([
    "auto",
    "auto",
    "auto",
    "native",
  ]);
});
