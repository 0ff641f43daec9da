import { closeSync, openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { GatewayError } from "../errors.ts";
import { MIGRATIONS } from "./migrations.ts";

const versionOf = (database: DatabaseSync): number => {
  const row = database.prepare("PRAGMA user_version").get();
  return Number(row?.["user_version"] ?? 0);
};

/** Runs `work` completely or not at all. */
export const inTransaction = (database: DatabaseSync, work: () => void): void => {
  database.exec("BEGIN IMMEDIATE");
  try {
    work();
    database.exec("COMMIT");
  } catch (error) {
    database.exec("ROLLBACK");
    throw error;
  }
};

/** Brings the schema to the newest version. A store of a newer gateway is refused: its steps are not known here. */
export const migrate = (database: DatabaseSync, migrations: readonly string[] = MIGRATIONS): void => {
  const found = versionOf(database);
  if (found > migrations.length)
    throw new GatewayError(
      "CONFIG_INVALID",
      `The store has schema ${found}, this gateway knows ${migrations.length}: it belongs to a newer version. Use that version, or restore a backup of the store.`,
    );
  for (const [index, sql] of migrations.entries()) {
    if (index < found) continue;
    inTransaction(database, () => {
      database.exec(sql);
      database.exec(`PRAGMA user_version = ${index + 1}`);
    });
  }
};

/** Opens (or makes) the database file; `:memory:` for tests. Throws GatewayError CONFIG_INVALID when that cannot be done. */
export const openDatabase = (path: string): DatabaseSync => {
  let database: DatabaseSync;
  try {
    // Who calls whom is nobody else's business: SQLite itself would make the file readable for all.
    if (path !== ":memory:") closeSync(openSync(path, "a", 0o600));
    database = new DatabaseSync(path);
    // A write must not wait for the disk at every transition of a call. In WAL mode `NORMAL` loses no committed write when the process
    // dies, only the last ones when the machine loses power (sqlite.org/pragma.html#pragma_synchronous).
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 2000");
  } catch (error) {
    throw new GatewayError("CONFIG_INVALID", `The store ${path} cannot be opened: ${(error as Error).message}`, {
      cause: error,
    });
  }
  try {
    migrate(database);
  } catch (error) {
    database.close();
    throw error;
  }
  return database;
};
