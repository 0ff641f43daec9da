import { expect, test } from "@jest/globals";

import { applyOverlay, splitOverlay } from "../../../deploy/lab/asterisk-conf.ts";

const SHIPPED = `; trunk
[xivo]
type=endpoint
allow=alaw,ulaw

[xivo-aor]
type=aor
; the PBX
contact=sip:xivo.example.org
#include "other.conf"`;

test("keys of an overlay replace those of the section, all others stay", () => {
  const result = applyOverlay(SHIPPED, "[xivo-aor]\n; why\ncontact=sip:127.0.0.1:5070\nqualify_frequency=1\n");
  expect(result).toContain("[xivo]\ntype=endpoint\nallow=alaw,ulaw\n");
  expect(result).not.toContain("xivo.example.org");
  expect(result.slice(result.indexOf("[xivo-aor]"))).toMatch(
    /^\[xivo-aor\]\ntype=aor\n; the PBX\n#include "other.conf"\ncontact=sip:127.0.0.1:5070\nqualify_frequency=1$/,
  );
});

test("new sections and includes go to the end", () => {
  const result = applyOverlay(SHIPPED, '#include "more.conf"\n[new]\ntype=transport\n');
  expect(result.endsWith('#include "more.conf"\n[new]\ntype=transport')).toBe(true);
});

test("arrow assignments count as keys", () => {
  expect(applyOverlay("[logfiles]\nconsole => error", "[logfiles]\nconsole => verbose")).toBe(
    "[logfiles]\nconsole => verbose",
  );
});

test("one overlay file has parts for several files", () => {
  const parts = splitOverlay("; why\n\n; ==== http.conf\n[general]\nbindport=1\n\n; ==== trunks/xivo.conf\n[a]\nb=c\n");
  expect([...parts.keys()]).toEqual(["http.conf", "trunks/xivo.conf"]);
  expect(parts.get("http.conf")).toBe("[general]\nbindport=1\n\n");
});
