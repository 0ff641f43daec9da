import { expect, test } from "@jest/globals";
import { assert, property, stringMatching } from "fast-check";

import { legId } from "../../../../src/ids.ts";
import { legNames, ownedName } from "../../../../src/sip/asterisk/channel-names.ts";

const id = stringMatching(/^[A-Za-z0-9._-]{1,20}$/);

test("every name tells its leg and kind again, and only to its own application", () => {
  assert(
    property(id, (leg) => {
      const names = legNames("gw", legId(leg));
      expect(ownedName("gw", names.phone)).toEqual({ leg, kind: "phone" });
      expect(ownedName("gw", names.bridge)).toEqual({ leg, kind: "bridge" });
      expect(ownedName("gw", names.media())).toEqual({ leg, kind: "media" });
      expect(ownedName("gw2", names.phone)).toBeUndefined();
    }),
  );
});

test("no name is the beginning of another one: Asterisk finds channels by prefix", () => {
  assert(
    property(id, id, (one, other) => {
      const [a, b] = [legNames("gw", legId(one)), legNames("gw", legId(other))];
      const names = [a.phone, a.bridge, a.media(), a.media(), b.phone, b.bridge, b.media()];
      for (const name of names) {
        expect(names.filter((longer) => longer.startsWith(name))).toEqual([name]);
      }
    }),
  );
});

test.each(["1795259268.12", "gw.leg", "gw.leg.phone", "gw.leg.phone-0000000g", "gw..phone-00000000"])(
  "%s was made by somebody else",
  (name) => {
    expect(ownedName("gw", name)).toBeUndefined();
  },
);
