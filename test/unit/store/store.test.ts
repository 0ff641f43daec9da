import { describe, expect, test } from "@jest/globals";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { CallFilter } from "../../../src/calls/call-store.ts";
import type { CallRecord } from "../../../src/calls/ports.ts";
import { callId, type E164, type Extension, ghostUserId, legId, roomId, trunkId, userId } from "../../../src/ids.ts";
import { inTransaction, migrate } from "../../../src/store/database.ts";
import { createTransactionLog } from "../../../src/store/matrix.ts";
import { MIGRATIONS } from "../../../src/store/migrations.ts";
import { openStore } from "../../../src/store/store.ts";

const temporaryFile = (): Disposable & { readonly path: string } => {
  const folder = mkdtempSync(join(tmpdir(), "mrtc-store-"));
  return {
    path: join(folder, "store.db"),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
};

const call = (id: string, change: Partial<CallRecord> = {}): CallRecord => ({
  callId: callId(id),
  legId: legId(`leg-${id}`),
  direction: "outbound",
  roomId: roomId("!room:example.org"),
  ghost: ghostUserId("@tel_+33140506070:example.org"),
  number: { kind: "e164", e164: "+33140506070" as E164, class: "national", country: "FR" },
  subject: { kind: "user", userId: userId("@alice:example.org") },
  state: "routing",
  createdAtMs: 1000,
  ...change,
});

const records: readonly [string, CallRecord][] = [
  ["just asked for", call("a")],
  [
    "of an extension, by a token",
    call("b", {
      number: { kind: "extension", extension: "1001" as Extension, class: "internal" },
      subject: { kind: "token", name: "crm" },
      state: "active",
      answeredAtMs: 1500,
    }),
  ],
  [
    "of a short code, ended",
    call("c", {
      number: { kind: "short", digits: "3949", class: "short-code", country: "FR" },
      state: "ended",
      outcome: "busy",
      cause: { sipStatus: 486, q850: 17, text: "Busy Here" },
      endedAtMs: 2000,
    }),
  ],
  [
    "of an anonymous caller",
    call("e", {
      direction: "inbound",
      ghost: ghostUserId("@tel_anonymous:example.org"),
      number: { kind: "anonymous", class: "anonymous" },
      name: "Anonymous caller",
      subject: { kind: "trunk", trunkId: trunkId("xivo") },
    }),
  ],
  [
    "to a person that went on to a number, and that number's",
    call("f", {
      direction: "inbound",
      forwardedTo: { kind: "extension", extension: "1002" as Extension, class: "internal" },
      forwardedFrom: { kind: "anonymous", class: "anonymous" },
    }),
  ],
  [
    "whose number has no country",
    call("d", { number: { kind: "e164", e164: "+8001234567" as E164, class: "international" } }),
  ],
];

describe("calls", () => {
  test.each(records)("a call %s comes back as it was, also after a restart", (_, record) => {
    using file = temporaryFile();
    const before = openStore(file);
    before.calls.save(record);
    expect(before.calls.get(record.callId)).toEqual(record);
    before.close();
    const after = openStore(file);
    expect(after.calls.get(record.callId)).toEqual(record);
    after.close();
  });

  test("a transition replaces what was known, and an ended call is no longer open", () => {
    const { calls } = openStore({ path: ":memory:" });
    calls.save(call("a"));
    calls.save(call("b", { createdAtMs: 500 }));
    calls.save(call("a", { state: "active", answeredAtMs: 1200 }));
    expect(calls.loadOpen().map((record) => record.callId)).toEqual(["b", "a"]);
    calls.save(call("a", { state: "ended", outcome: "completed", answeredAtMs: 1200, endedAtMs: 1300 }));
    expect(calls.loadOpen().map((record) => record.callId)).toEqual(["b"]);
    expect(calls.get(callId("a"))).toMatchObject({ state: "ended", outcome: "completed", answeredAtMs: 1200 });
  });

  test("lists are newest first, of one room or of all, and no longer than asked", () => {
    const { calls } = openStore({ path: ":memory:" });
    const elsewhere = roomId("!other:example.org");
    ["a", "b", "c", "d"].forEach((id, index) =>
      calls.save(call(id, { createdAtMs: 1000 + Math.floor(index / 2), ...(id === "c" ? { roomId: elsewhere } : {}) })),
    );
    const ids = (filter: { roomId?: ReturnType<typeof roomId>; limit: number }) =>
      calls.list(filter).map((record) => record.callId);
    expect(ids({ limit: 10 })).toEqual(["d", "c", "b", "a"]);
    expect(ids({ limit: 2 })).toEqual(["d", "c"]);
    expect(ids({ limit: 10, roomId: elsewhere })).toEqual(["c"]);
  });

  test("lists by person, number, direction, outcome and time, page by page", () => {
    const { calls } = openStore({ path: ":memory:" });
    const alice = userId("@alice:example.org");
    const extension = { kind: "extension", extension: "1001" as Extension, class: "internal" } as const;
    calls.save(call("a", { createdAtMs: 1, person: alice, direction: "inbound" }));
    calls.save(call("b", { createdAtMs: 2, subject: { kind: "user", userId: alice } }));
    calls.save(call("c", { createdAtMs: 3, subject: { kind: "token", name: "crm" }, number: extension }));
    calls.save(
      call("d", {
        createdAtMs: 4,
        subject: { kind: "token", name: "crm" },
        outcome: "busy",
        state: "ended",
        endedAtMs: 5,
      }),
    );
    const ids = (filter: Partial<CallFilter>) => calls.list({ limit: 10, ...filter }).map((record) => record.callId);
    expect(ids({ userId: alice })).toEqual(["b", "a"]);
    expect(ids({ number: "1001" })).toEqual(["c"]);
    expect(ids({ direction: "inbound" })).toEqual(["a"]);
    expect(ids({ outcome: "busy" })).toEqual(["d"]);
    expect(ids({ sinceMs: 2, untilMs: 4 })).toEqual(["c", "b"]);
    expect(ids({ after: { createdAtMs: 3, callId: callId("c") } })).toEqual(["b", "a"]);
    expect(ids({ userId: alice, direction: "outbound" })).toEqual(["b"]);
    expect(calls.get(callId("a"))).toMatchObject({ person: alice });
    calls.forget(5);
    expect(calls.get(callId("d"))).toBeDefined();
    calls.forget(6);
    expect([calls.get(callId("d")), ids({})]).toEqual([undefined, ["c", "b", "a"]]);
  });

  test("an unknown call is undefined", () => {
    expect(openStore({ path: ":memory:" }).calls.get(callId("nobody"))).toBeUndefined();
  });
});

describe("file", () => {
  test("is for its owner only", () => {
    using file = temporaryFile();
    openStore(file).close();
    expect(statSync(file.path).mode & 0o777).toBe(0o600);
  });

  test("two openings of one file see each other's writes", () => {
    using file = temporaryFile();
    const [one, two] = [openStore(file), openStore(file)];
    one.transactions.add("t1");
    expect(two.transactions.has("t1")).toBe(true);
    one.close();
    two.close();
  });

  test("a folder that is not there is an error with the path", () => {
    expect(() => openStore({ path: "/nonexistent/store.db" })).toThrow(
      "The store /nonexistent/store.db cannot be opened",
    );
  });

  test("that is no database is refused", () => {
    expect(() => openStore({ path: "/proc/self/status" })).toThrow("cannot be opened");
  });
});

describe("migrations", () => {
  test("run once, in order, and leave data alone", () => {
    using file = temporaryFile();
    const first = openStore(file);
    first.calls.save(call("a"));
    first.close();
    const database = new DatabaseSync(file.path);
    const steps = [...MIGRATIONS, "ALTER TABLE calls ADD COLUMN extra TEXT", "UPDATE calls SET extra = 'new'"];
    migrate(database, steps);
    migrate(database, steps);
    expect(database.prepare("SELECT call_id, extra FROM calls").all()).toEqual([
      expect.objectContaining({ call_id: "a", extra: "new" }),
    ]);
    expect(database.prepare("PRAGMA user_version").get()).toMatchObject({ user_version: MIGRATIONS.length + 2 });
    database.close();
  });

  test("a step that fails leaves nothing of itself", () => {
    const database = new DatabaseSync(":memory:");
    expect(() => migrate(database, ["CREATE TABLE one (a)", "CREATE TABLE two (a); NONSENSE"])).toThrow(/NONSENSE/);
    const tables = database.prepare("SELECT name FROM sqlite_master").all();
    expect(tables.map((table) => table["name"])).toEqual(["one"]);
    expect(database.prepare("PRAGMA user_version").get()).toMatchObject({ user_version: 1 });
  });

  test("a store of a newer gateway is refused, with what to do", () => {
    using file = temporaryFile();
    const database = new DatabaseSync(file.path);
    database.exec("PRAGMA user_version = 99");
    database.close();
    expect(() => openStore(file)).toThrow(/schema 99, this gateway knows \d+: it belongs to a newer version/);
  });

  test("inTransaction undoes all of what failed", () => {
    const database = new DatabaseSync(":memory:");
    database.exec("CREATE TABLE t (a)");
    expect(() =>
      inTransaction(database, () => {
        database.exec("INSERT INTO t VALUES (1)");
        throw new Error("half way");
      }),
    ).toThrow("half way");
    expect(database.prepare("SELECT count(*) AS n FROM t").get()).toMatchObject({ n: 0 });
  });
});

describe("what the Matrix side keeps", () => {
  const alice = userId("@tel_1001:example.org");

  test("transactions: known after they were taken, twice is harmless, only the newest are kept", () => {
    const database = new DatabaseSync(":memory:");
    migrate(database);
    const log = createTransactionLog(database, 3);
    for (const id of ["1", "2", "2", "3", "4"]) log.add(id);
    expect(["1", "2", "3", "4", "5"].map((id) => log.has(id))).toEqual([false, true, true, true, false]);
  });

  test("users with and without a picture, and the one picture of all", () => {
    const { ghosts } = openStore({ path: ":memory:" });
    expect(ghosts.get(alice)).toBeUndefined();
    ghosts.put(alice, { displayName: "1001" });
    expect(ghosts.get(alice)).toEqual({ displayName: "1001" });
    ghosts.put(alice, { displayName: "1001", avatarUrl: "mxc://example.org/a" });
    expect(ghosts.get(alice)).toEqual({ displayName: "1001", avatarUrl: "mxc://example.org/a" });
    expect(ghosts.getAvatarUrl()).toBeUndefined();
    ghosts.setAvatarUrl("mxc://example.org/b");
    expect(ghosts.getAvatarUrl()).toBe("mxc://example.org/b");
  });

  test("sealed identities, byte for byte", () => {
    const { identities } = openStore({ path: ":memory:" });
    const ghost = ghostUserId("@tel_1001:example.org");
    expect(identities.load(ghost)).toBeUndefined();
    identities.save(ghost, new Uint8Array([0, 255, 7]));
    expect([...(identities.load(ghost) ?? [])]).toEqual([0, 255, 7]);
  });
});

test("idempotency keys are those of one token, and forgotten after a day", () => {
  let nowMs = 1_000_000;
  const { idempotency } = openStore({ path: ":memory:", nowMs: () => nowMs });
  idempotency.save("crm", "k", { requestHash: "h", callId: callId("a") });
  expect(idempotency.get("crm", "k")).toEqual({ requestHash: "h", callId: "a" });
  expect(idempotency.get("other", "k")).toBeUndefined();
  nowMs += 24 * 3_600_000;
  expect(idempotency.get("crm", "k")).toBeUndefined();
});
