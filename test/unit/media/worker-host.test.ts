import { setImmediate as flush } from "node:timers/promises";

import { expect, test } from "@jest/globals";
import type { JoinSession } from "../../../src/media/ipc.ts";
import { createWorkerHost } from "../../../src/media/worker-host.ts";
import { quietLog } from "../../support/fake-ports.ts";
import { createManualClock } from "../../support/media/manual-clock.ts";
import { silentSfuClient } from "../../support/media/silent-sfu-client.ts";

const client = silentSfuClient([{ trackId: "1", identity: "alice", muted: false, undecryptable: false }]);

/** A worker with one phone in a conference where somebody talks; `sentAtMs`: when frames went to the phone. */
const startWorker = async () => {
  const clock = createManualClock();
  const sentAtMs: number[] = [];
  const worker = createWorkerHost({
    clock,
    createSfuClient: () => client,
    connectLeg: async () => ({
      format: { codec: "alaw" },
      send: () => sentAtMs.push(clock.nowMs()),
      takeDropped: () => 0,
      close: async () => {},
    }),
    g711As: "g711",
    send: () => {},
    log: quietLog,
  });
  const session = { callId: "call", roomId: "!room", identity: "ghost", voice: { language: "en" } } as JoinSession;
  worker.handle({ type: "join", id: 1, callId: session.callId, session });
  await flush();
  const media = { kind: "asterisk-websocket", url: "ws://127.0.0.1/media", codec: "alaw" } as const;
  worker.handle({ type: "attach", id: 2, callId: session.callId, media });
  await flush();
  worker.handle({ type: "bridge", id: 3, callId: session.callId });
  await flush();
  const pass = async (ms: number): Promise<void> => {
    for (const untilMs = clock.nowMs() + ms; clock.nowMs() < untilMs;) {
      clock.advance(10);
      await flush();
    }
  };
  return { clock, worker, pass, sentAtMs };
};

test("after a stall frames come at their time again, none more: it would stay in Asterisk's queue as delay", async () => {
  const { clock, worker, pass, sentAtMs } = await startWorker();
  await pass(60);
  expect(sentAtMs).toEqual([20, 40, 60]);
  clock.stall(310);
  await pass(50);
  expect(sentAtMs.slice(3)).toEqual([380, 400, 420]);
  await worker.close();
});
