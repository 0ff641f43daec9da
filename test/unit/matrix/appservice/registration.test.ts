import { expect, test } from "@jest/globals";
import { parse } from "yaml";
import { createNamespace } from "../../../../src/matrix/appservice/namespace.ts";
import { createRegistration, registrationYaml } from "../../../../src/matrix/appservice/registration.ts";

const namespace = createNamespace({ serverName: "chat.example.org:8448", botLocalpart: "phone" });
const url = "http://127.0.0.1:9320";

test("the file has exactly what the homeserver needs", () => {
  const registration = createRegistration({ namespace, url, asToken: "as", hsToken: "hs" });
  expect(parse(registrationYaml(registration))).toEqual({
    id: "matrixrtc-sip-gateway",
    url,
    as_token: "as",
    hs_token: "hs",
    sender_localpart: expect.stringMatching(/^sip-gateway-[0-9a-f]{16}$/),
    rate_limited: false,
    namespaces: {
      users: [
        { exclusive: true, regex: "@tel_.*:chat\\.example\\.org:8448" },
        { exclusive: true, regex: "@phone:chat\\.example\\.org:8448" },
      ],
      aliases: [],
      rooms: [],
    },
    protocols: ["m.protocol.pstn"],
    "io.element.msc4190": true,
  });
});

test("tokens are made at random where none are given", () => {
  const [one, two] = [createRegistration({ namespace, url }), createRegistration({ namespace, url })];
  expect(new Set([one.as_token, one.hs_token, two.as_token, two.hs_token]).size).toBe(4);
  expect(one.as_token).toMatch(/^[0-9a-f]{64}$/);
});

test.each([
  ["@tel_+33140506070:chat.example.org:8448", true],
  ["@tel_1001:chat.example.org:8448", true],
  ["@tel_1001:other.example.org", false],
  ["@tel_1001:chat.example.org", false],
  ["@phone:chat.example.org:8448", false],
  ["tel_1001", false],
])("%s is a ghost: %s", (user, isGhost) => {
  expect(namespace.isGhost(user)).toBe(isGhost);
  expect(namespace.asGhost(user)).toBe(isGhost ? user : undefined);
});
