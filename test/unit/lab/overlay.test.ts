import { expect, test } from "@jest/globals";

import { fillPlaces, mergeTrees } from "../../../deploy/lab/overlay.ts";

test("places are filled, variables of Asterisk stay", () => {
  expect(fillPlaces("bind=${lab.host}:${lab.port} ${EXTEN}", { host: "127.0.0.1", port: 5060 })).toBe(
    "bind=127.0.0.1:5060 ${EXTEN}",
  );
});

test("a place without a value is an error that names it", () => {
  expect(() => fillPlaces("${lab.prot}", { port: 1 })).toThrow("${lab.prot}");
});

test("an overlay replaces scalars and lists, merges mappings and removes with null", () => {
  const shipped = { port: 7880, rtc: { tcp: 7881, external: true }, keyFile: "/etc/keys", list: [1, 2] };
  const overlay = { rtc: { external: false }, keyFile: null, list: [3] };
  expect(mergeTrees(shipped, overlay)).toEqual({ port: 7880, rtc: { tcp: 7881, external: false }, list: [3] });
});
