import { expect, test } from "@jest/globals";

import { hashedIdentity, livekitRoomName, plainIdentity } from "../../../deploy/lab/token-service/identity.ts";

test("names match the vectors of MSC4195", () => {
  expect(hashedIdentity("@alice:example.com", "DEVICE123", "memberABC")).toBe(
    "J+T45tGruxc+HrUOqJJlyQSV33m728Cme4+vt8/SWrU",
  );
  expect(livekitRoomName("!roomid:example.com", "slot1234")).toBe("O8437W3+jmzMVjoIP3tNwbm+XxHQk2iKpOA7aqw3qSc");
});

test("the plain identity is user and device as Element Call compares them", () => {
  expect(plainIdentity("@alice:example.com", "DEVICE123")).toBe("@alice:example.com:DEVICE123");
});
