import { describe, expect, test } from "@jest/globals";

import { parseFromWorker, parseToWorker } from "../../../src/media/ipc.ts";

describe("messages between pool and worker", () => {
  test("a request and a key pass unchanged", () => {
    const join = {
      type: "join",
      id: 1,
      callId: "c",
      session: { callId: "c", roomId: "!r", sfuUrl: "ws://h", token: "t", identity: "u:d", encrypted: true },
    };
    expect(parseToWorker(join)).toEqual(join);
    const key = { type: "key", callId: "c", identity: "u:d", index: 255, key: "AAAA" };
    expect(parseToWorker(key)).toEqual(key);
  });

  test.each([
    undefined,
    "ping",
    { type: "unknown" },
    { type: "join", id: 1, callId: "c" },
    { type: "key", callId: "c", identity: "u", index: 256, key: "" },
    { type: "attach", id: 1, callId: "c", media: { kind: "asterisk-websocket", url: "ws://h", codec: "opus" } },
  ])("what is no message for a worker is refused: %j", (message) => {
    expect(parseToWorker(message)).toBeUndefined();
  });

  test.each([
    undefined,
    { type: "failed", id: 1, code: "NO_SUCH_CODE", message: "", retryable: false },
    { type: "fact", callId: "c", fact: { type: "media.workerLost" } },
    { type: "stats", callId: "c", stats: {} },
    { type: "legKey", legId: "l", digit: "12" },
    { type: "legKey", legId: "l", digit: "x" },
  ])("what is no message of a worker is refused: %j", (message) => {
    expect(parseFromWorker(message)).toBeUndefined();
  });
});
