import { expect, test } from "@jest/globals";

import { asteriskAddresses } from "../../../../src/sip/asterisk/options.ts";

const addresses = (url: string, allowInsecure = false) => asteriskAddresses({ url, app: "gw", allowInsecure });

test("events and media are beside ARI, with its encryption and its prefix", () => {
  expect(addresses("http://127.0.0.1:8088/ari/")).toEqual({
    rest: "http://127.0.0.1:8088/ari",
    events: "ws://127.0.0.1:8088/ari/events?app=gw&subscribeAll=false",
    media: "ws://127.0.0.1:8088/media/",
  });
  expect(addresses("https://pbx.example.org:8089/asterisk/ari")).toEqual({
    rest: "https://pbx.example.org:8089/asterisk/ari",
    events: "wss://pbx.example.org:8089/asterisk/ari/events?app=gw&subscribeAll=false",
    media: "wss://pbx.example.org:8089/asterisk/media/",
  });
});

test.each(["http://10.1.2.3:8088/ari", "http://pbx.example.org/ari", "http://127.0.0.1.example.org/ari"])(
  "%s is refused: the password would go over the network in clear",
  (url) => {
    expect(() => addresses(url)).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
    expect(addresses(url, true).rest).toBe(url);
  },
);

test.each(["http://localhost:8088/ari", "http://[::1]:8088/ari", "http://127.1.2.3:8088/ari"])(
  "%s is loopback",
  (url) => {
    expect(addresses(url).rest).toBe(url);
  },
);

test.each(["ftp://127.0.0.1/ari", "127.0.0.1:8088", "http://gw:secret@127.0.0.1:8088/ari"])(
  "%s is refused, without repeating it",
  (url) => {
    expect(() => addresses(url)).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
    expect(() => addresses(url)).not.toThrow(/secret/);
  },
);

test("an application name that would not fit into a channel id is refused", () => {
  expect(() => asteriskAddresses({ url: "http://127.0.0.1/ari", app: "a.b", allowInsecure: false })).toThrow(/letters/);
});
