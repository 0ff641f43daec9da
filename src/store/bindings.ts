import type { DatabaseSync } from "node:sqlite";
import { z } from "zod";
import type { Binding, BindingStore } from "../directory/bindings.ts";
import { userId } from "../ids.ts";

const row = z.object({
  number: z.string(),
  user_id: z.string().transform(userId),
  name: z.string().nullable(),
  bound_by: z.string().transform(userId),
});

const bindingOf = (value: unknown): Binding => {
  const { number, user_id: user, name, bound_by: boundBy } = row.parse(value);
  return { number, user, boundBy, ...(name === null ? {} : { name }) };
};

/** Numbers that people have given to users. */
export const createBindingStore = (database: DatabaseSync): BindingStore => {
  const get = database.prepare("SELECT * FROM bindings WHERE number = ?");
  const of = database.prepare("SELECT * FROM bindings WHERE user_id = ? ORDER BY number");
  const all = database.prepare("SELECT * FROM bindings ORDER BY number");
  const put = database.prepare("INSERT OR REPLACE INTO bindings (number, user_id, name, bound_by) VALUES (?, ?, ?, ?)");
  const remove = database.prepare("DELETE FROM bindings WHERE number = ?");
  return {
    get: (number) => {
      const found = get.get(number);
      return found === undefined ? undefined : bindingOf(found);
    },
    of: (user) => of.all(user).map(bindingOf),
    all: () => all.all().map(bindingOf),
    put: ({ number, user, name, boundBy }) => {
      put.run(number, user, name ?? null, boundBy);
    },
    remove: (number) => {
      remove.run(number);
    },
  };
};
