import { expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { LANGUAGES } from "../../../src/numbering/language.ts";
import { MENU_TIMEOUTS_MS } from "../../../src/dialin/menu.ts";
import { runMenu } from "../../../src/dialin/menu-run.ts";
import type { Admission } from "../../../src/dialin/pin-check.ts";
import { roomId } from "../../../src/ids.ts";
import { createTestLog } from "../../support/log.ts";
import { createManualClock } from "../../support/manual-clock.ts";

const ROOM = roomId("!r:example.org");
const KEYS = [...Array.from("0123456789*#A"), "**", ""];

type Move =
  | { readonly kind: "keys"; readonly keys: readonly string[] }
  | { readonly kind: "played"; readonly late: boolean }
  | { readonly kind: "answer"; readonly with: "right" | "wrong" | "failed" | "delayed" }
  | { readonly kind: "advance"; readonly ms: number }
  | { readonly kind: "guess" }
  | { readonly kind: "hungUp" };

const move: fc.Arbitrary<Move> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("keys" as const),
      keys: fc.array(fc.constantFrom(...KEYS), { maxLength: 30 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("keys" as const), keys: fc.constant(Array.from("123456#11112222#")) }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("played" as const), late: fc.boolean() }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("answer" as const),
      with: fc.constantFrom(
        "right" as const,
        "wrong" as const,
        "wrong" as const,
        "failed" as const,
        "delayed" as const,
      ),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("advance" as const),
      ms: fc.constantFrom(10, 4000, 10_000, 30_000, 120_000, 300_000),
    }),
  },
  { weight: 4, arbitrary: fc.constant({ kind: "guess" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "hungUp" as const }) },
);

const setup = fc.record(
  {
    language: fc.constantFrom("ask" as const, ...LANGUAGES),
    conference: fc.constant("123456"),
    roomDigits: fc.constant(6),
    pinDigits: fc.constant(8),
  },
  { requiredKeys: ["language"] },
);

interface Pending {
  readonly resolve: (admission: Admission | undefined) => void;
  readonly reject: (error: Error) => void;
  readonly onDelay: (() => void) | undefined;
}

test("whatever is typed, heard, answered or left undone, a menu ends once, in bounded time, and leaves no timer", async () => {
  const ends = new Set<string>();
  await fc.assert(
    fc.asyncProperty(setup, fc.array(move, { maxLength: 40 }), async (setup, moves) => {
      const clock = createManualClock();
      const { log, lines } = createTestLog();
      const ended: string[] = [];
      let pending: Pending | undefined;
      let playing = 0;
      let checks = 0;
      const menu = runMenu({
        setup,
        caller: "+33612345678",
        clock,
        log,
        check: ({ onDelay }) => {
          checks += 1;
          return new Promise((resolve, reject) => {
            pending = { resolve, reject, onDelay };
          });
        },
        ports: {
          play: (_, token) => (playing = token),
          dispatch: () => ended.push("dispatch"),
          hangUp: (outcome) => ended.push(outcome),
        },
      });
      const answer = async (how: "right" | "wrong" | "failed" | "delayed"): Promise<void> => {
        if (how === "delayed") pending?.onDelay?.();
        else if (how === "failed") pending?.reject(new Error("11112222"));
        else pending?.resolve(how === "right" ? { roomId: ROOM } : undefined);
        await new Promise((resolve) => setImmediate(resolve));
      };
      let hungUp = false;
      for (const next of moves) {
        if (next.kind === "keys") for (const key of next.keys) menu.key(key);
        else if (next.kind === "played") menu.played(next.late ? playing - 1 : playing);
        else if (next.kind === "answer") await answer(next.with);
        else if (next.kind === "guess") {
          for (const key of "123456#1#") menu.key(key);
          await answer("wrong");
        } else if (next.kind === "advance") clock.advance(next.ms);
        else {
          menu.hungUp();
          hungUp ||= ended.length === 0;
          if (hungUp) ended.splice(0, 1, "hung up");
        }
      }
      // Nobody does anything any more, not even the check.
      clock.advance(MENU_TIMEOUTS_MS.menu + MENU_TIMEOUTS_MS.check + MENU_TIMEOUTS_MS.goodbye);
      expect(ended).toHaveLength(1);
      expect(clock.armed()).toBe(0);
      // Three tries per call.
      expect(checks).toBeLessThanOrEqual(3);
      // And nothing wakes it again.
      menu.key("1");
      menu.played(playing);
      await answer("right");
      expect([ended.length, clock.armed()]).toEqual([1, 0]);
      expect(JSON.stringify(lines)).not.toContain("11112222");
      ends.add(ended[0] ?? "");
    }),
    { numRuns: 500 },
  );
  expect([...ends].toSorted()).toEqual(["cancelled", "dispatch", "hung up", "internal", "wrong-pin"]);
});
