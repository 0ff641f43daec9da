import { expect, test } from "@jest/globals";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { createConferences } from "../../../src/dialin/conferences.ts";
import { createPinCheck } from "../../../src/dialin/pin-check.ts";
import { createPinDefence } from "../../../src/dialin/pin-defence.ts";
import { createPinHasher } from "../../../src/dialin/pin-hash.ts";
import { callId, roomId } from "../../../src/ids.ts";
import { migrate } from "../../../src/store/database.ts";
import { MIGRATIONS } from "../../../src/store/migrations.ts";
import { openStore, type Store } from "../../../src/store/store.ts";
import { createManualClock } from "../../support/manual-clock.ts";

const ROOM = roomId("!r:example.org");

const temporaryFolder = (): Disposable & { readonly path: string } => {
  const path = mkdtempSync(join(tmpdir(), "mrtc-dialin-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
};

const dialinOf = (store: Store) => {
  const clock = createManualClock();
  const hasher = createPinHasher();
  const defence = createPinDefence({ clock, onAlarm: () => {} });
  const check = createPinCheck({ conferences: store.conferences, hasher, defence, clock });
  return {
    conferences: createConferences({ store: store.conferences, hasher }),
    ask: (conference: string, pin: string) => check({ conference, pin, caller: "+33612345678" }),
  };
};

test("a room turned on is dialled with its PIN after a restart; a new PIN replaces it; no file ever holds one", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "store.db");
  const before = openStore({ path });
  const { conferenceId, pin } = await dialinOf(before).conferences.turnOn(ROOM, "fr");
  before.close();

  const after = openStore({ path });
  const { conferences, ask } = dialinOf(after);
  await expect(ask(conferenceId, pin ?? "")).resolves.toEqual({ roomId: ROOM, language: "fr" });
  const renewed = await conferences.newPin(ROOM);
  await expect(ask(conferenceId, pin ?? "")).resolves.toBeUndefined();
  await expect(ask(conferenceId, renewed.pin)).resolves.toMatchObject({ roomId: ROOM });
  for (const file of readdirSync(folder.path)) {
    const content = readFileSync(join(folder.path, file)).toString("latin1");
    expect([content.includes(pin ?? ""), content.includes(renewed.pin)]).toEqual([false, false]);
  }
  expect(conferences.turnOff(ROOM)).toBe(true);
  await expect(ask(conferenceId, renewed.pin)).resolves.toBeUndefined();
  after.close();
});

test("a store of the version before gets the table, and keeps what it has", () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "store.db");
  const old = new DatabaseSync(path);
  migrate(old, MIGRATIONS.slice(0, 1));
  old.exec("INSERT INTO idempotency_keys VALUES ('crm', 'k', 'h', 'call-1', 9000000000000)");
  old.close();
  const store = openStore({ path, nowMs: () => 9_000_000_000_000 });
  expect(store.idempotency.get("crm", "k")).toEqual({ requestHash: "h", callId: callId("call-1") });
  expect(store.conferences.byRoom(ROOM)).toBeUndefined();
  store.close();
});
