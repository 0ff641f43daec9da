/** How soon Element Call shows that a phone has muted itself. */
import { setTimeout as delay } from "node:timers/promises";
import { startElementCallHost } from "../../lab/element-call/host.ts";
import { joinElementCall } from "../../lab/element-call/member.ts";
import { nowMs } from "../../lab/member/hearing.ts";
import { TELEPHONE_HZ, until } from "../call.ts";
import { ROOM_NUMBER, startDialInStage } from "../dial-in-stage.ts";
import { type Measurement, runs } from "../measurement.ts";

const RUNS = 40;
/** Extension, which is the name of the tile as well. */
const CALLER = "1500";
/** Ten commands in ten seconds are all that a phone may give. */
const COMMAND_EVERY_MS = 1000;

export const keypad: Measurement = {
  bars: ["key-icon"],
  run: async (context) => {
    await using scope = new AsyncDisposableStack();
    const stage = await startDialInStage(scope, context);
    const host = await startElementCallHost({ homeserverUrl: stage.lab.homeserver.url });
    scope.defer(() => host.close());
    const bob = scope.use(
      await joinElementCall({ host, user: stage.bob, roomId: stage.roomId, microphoneToneHz: TELEPHONE_HZ }),
    );
    const telephone = await stage.dial(CALLER, ROOM_NUMBER, TELEPHONE_HZ);
    await bob.waitForTile(CALLER, { is: { microphone: "on" } });
    const samples: number[] = [];
    for (let i = 0; i < runs(RUNS, context); i++) {
      const microphone = i % 2 === 0 ? "off" : "on";
      const letGoAtMs = await telephone.press("*6");
      await until(`the icon to be ${microphone}`, async () =>
        (await bob.tiles()).some((tile) => tile.name === CALLER && tile.microphone === microphone),
      );
      samples.push(nowMs() - letGoAtMs);
      context.progress(`*6 ${i + 1}: icon ${microphone} after ${samples.at(-1)?.toFixed(0)} ms`);
      await delay(COMMAND_EVERY_MS);
    }
    telephone.hangUp();
    return { "key-icon": samples };
  },
};
