/** Reads the configuration: file, trunk files, environment, secret files, in this order; then checks all of it at once. */
import { dirname, resolve } from "node:path";
import { z } from "zod";
import { GatewayError } from "../errors.ts";
import { readEnvironment, setValue } from "./environment.ts";
import { type Problem, problemsOf, problemText } from "./problems.ts";
import { type Config, type ConfigValues, configSchema, findMisfits, toConfig } from "./schema.ts";
import { type Origin, readText, readYaml, type YamlFile } from "./sources.ts";
import { didYouMean } from "./suggest.ts";
import { docsOf } from "./values.ts";
import { isObject, type KeyPath, type PlainObject, visitObjects } from "./walk.ts";

export interface LoadOptions {
  readonly file: string;
  readonly environment?: NodeJS.ProcessEnv;
  /** Tokens to use while there is no registration file yet: for the command that writes it. */
  readonly newTokens?: { readonly asToken: string; readonly hsToken: string };
}

/** What was read so far: the values as one tree, and for parts of it where they came from. */
interface Draft {
  readonly tree: PlainObject;
  readonly origins: { readonly path: KeyPath; readonly origin: Origin; readonly base: KeyPath }[];
  readonly problems: Problem[];
}

/** A key without a value (a section whose keys are all commented out) counts as not there. */
const withoutNulls = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, child]) => (child === null ? [] : [[name, withoutNulls(child)]])),
  );
};

const isUnder = (path: KeyPath, prefix: KeyPath): boolean => prefix.every((part, index) => path[index] === part);

const originOf = (draft: Draft, path: KeyPath): { readonly origin: Origin; readonly path: KeyPath } => {
  const found = draft.origins
    .filter((candidate) => isUnder(path, candidate.path))
    .reduce((best, candidate) => (candidate.path.length >= best.path.length ? candidate : best));
  return { origin: found.origin, path: [...found.base, ...path.slice(found.path.length)] };
};

const whereIs = (draft: Draft, path: KeyPath): string => {
  const found = originOf(draft, path);
  return found.origin.where(found.path);
};

const applyEnvironment = (draft: Draft, environment: NodeJS.ProcessEnv, folder: string): void => {
  const { values, problems } = readEnvironment(configSchema, environment);
  for (const { variable, path, value } of values) {
    setValue(draft.tree, path, value);
    draft.origins.push({ path, base: [], origin: { folder, where: () => variable } });
  }
  draft.problems.push(...problems);
};

const trunkFileEntry = z.strictObject({
  file: z.string({ error: "expected a file name" }).min(1, { error: "expected a file name" }),
  use: z.array(z.string({ error: "expected the name of a trunk" }), { error: "expected a list of trunks" }).optional(),
});

interface PlacedTrunk {
  readonly value: unknown;
  readonly origin: Origin;
  readonly base: KeyPath;
}

/** The trunks of one file: a list below the key `trunks`, like in the configuration itself. */
const readTrunkFile = (draft: Draft, entry: PlainObject, path: KeyPath, at: Origin): readonly PlacedTrunk[] => {
  const parsed = trunkFileEntry.safeParse(entry);
  const report = (part: KeyPath, message: string): readonly PlacedTrunk[] => {
    draft.problems.push({ path: [...path, ...part], message });
    return [];
  };
  if (!parsed.success) {
    for (const problem of problemsOf(trunkFileEntry, parsed.error.issues, entry)) report(problem.path, problem.message);
    return [];
  }
  const file = resolve(at.folder, parsed.data.file);
  let source: YamlFile;
  try {
    source = readYaml(file);
  } catch (error) {
    return report(["file"], error instanceof GatewayError ? error.message : String(error));
  }
  const list = isObject(source.value) && Object.keys(source.value).length === 1 ? source.value["trunks"] : undefined;
  if (!Array.isArray(list)) return report(["file"], `expected one key in ${file}: trunks, with a list below it`);
  const trunks = list.map((value: unknown, index): PlacedTrunk => ({
    value: withoutNulls(value),
    origin: source,
    base: ["trunks", index],
  }));
  const names = trunks.map(({ value }) => (isObject(value) ? String(value["name"]) : ""));
  return (parsed.data.use ?? names).flatMap((name, index) => {
    const found = trunks[names.indexOf(name)];
    if (parsed.data.use === undefined) return trunks[index] ?? [];
    if (found !== undefined) return found;
    return report(["use", index], `no trunk ${JSON.stringify(name)} in ${file}${didYouMean(name, names)}`);
  });
};

const expandTrunks = (draft: Draft): void => {
  const entries = draft.tree["trunks"];
  if (!Array.isArray(entries)) return;
  const placed = entries.flatMap((value: unknown, index): readonly PlacedTrunk[] => {
    const { origin, path: base } = originOf(draft, ["trunks", index]);
    return isObject(value) && "file" in value
      ? readTrunkFile(draft, value, ["trunks", index], origin)
      : [{ value, origin, base }];
  });
  // An entry set by the environment keeps its own origins only while its place in the list does not change.
  draft.tree["trunks"] = placed.map(({ value }) => value);
  if (!entries.some((value) => isObject(value) && "file" in value)) return;
  placed.forEach(({ origin, base }, index) => draft.origins.push({ path: ["trunks", index], origin, base }));
};

/** `KEY_file: PATH` beside a secret: its content without the line end. */
const readSecretFiles = (draft: Draft): void => {
  visitObjects(configSchema, draft.tree, (object, keys, path) => {
    for (const [name, schema] of keys) {
      const fileKey = `${name}_file`;
      if (docsOf(schema).secret !== true || object[fileKey] === undefined) continue;
      const file = object[fileKey];
      delete object[fileKey];
      const report = (message: string): void => {
        draft.problems.push({ path: [...path, fileKey], message });
        // Not missing as well: one error is enough.
        object[name] ??= "unreadable-secret-file";
      };
      if (object[name] !== undefined) report(`expected either ${name} or ${fileKey}`);
      else if (typeof file !== "string" || file === "") report("expected a file name");
      else {
        try {
          const text = readText(resolve(originOf(draft, [...path, fileKey]).origin.folder, file)).trim();
          if (text === "") report(`${file} is empty`);
          else object[name] = text;
        } catch (error) {
          report(error instanceof GatewayError ? error.message : String(error));
        }
      }
    }
  });
};

const registrationTokens = z.object({ as_token: z.string().min(1), hs_token: z.string().min(1) });

/** Both tokens of the registration file go where tokens given directly would be. */
const readRegistration = (draft: Draft, newTokens: LoadOptions["newTokens"]): void => {
  const homeserver = draft.tree["homeserver"];
  if (!isObject(homeserver)) return;
  const file = homeserver["registration_file"];
  const given = ["as_token", "hs_token"].filter((name) => homeserver[name] !== undefined);
  const path = ["homeserver", "registration_file"];
  const useTokens = (asToken: string, hsToken: string): void => {
    homeserver["as_token"] = asToken;
    homeserver["hs_token"] = hsToken;
  };
  const report = (message: string): void => {
    draft.problems.push({ path, message });
    useTokens("unreadable", "unreadable");
  };
  if (typeof file !== "string" || file === "") {
    if (given.length === 0 && newTokens !== undefined) useTokens(newTokens.asToken, newTokens.hsToken);
    return;
  }
  if (given.length > 0) return report(`expected either registration_file or ${given.join(" and ")}`);
  if (newTokens !== undefined) return useTokens(newTokens.asToken, newTokens.hsToken);
  const absolute = resolve(originOf(draft, path).origin.folder, file);
  try {
    const parsed = registrationTokens.safeParse(readYaml(absolute).value);
    if (parsed.success) useTokens(parsed.data.as_token, parsed.data.hs_token);
    else
      report(`expected as_token and hs_token in ${absolute}: write it with \`mrtc-sip-gateway registration --force\``);
  } catch (error) {
    const reason = error instanceof GatewayError ? error.message : String(error);
    report(`${reason}; write it with \`mrtc-sip-gateway registration\``);
  }
};

const resolvePaths = (draft: Draft, values: ConfigValues): void => {
  visitObjects(configSchema, values, (object, keys, path) => {
    for (const [name, schema] of keys) {
      const file = object[name];
      if (docsOf(schema).path !== true || typeof file !== "string" || file === ":memory:") continue;
      object[name] = resolve(originOf(draft, [...path, name]).origin.folder, file);
    }
  });
};

/** Reads and checks the configuration. Throws GatewayError CONFIG_INVALID whose message names every error, and no secret. */
export const loadConfig = (options: LoadOptions): Config => {
  const file = resolve(options.file);
  const main = readYaml(file);
  if (main.value !== null && !isObject(main.value))
    throw new GatewayError("CONFIG_INVALID", `${file}: expected sections such as homeserver:, got something else`);
  const draft: Draft = {
    tree: withoutNulls(main.value ?? {}) as PlainObject,
    origins: [{ path: [], base: [], origin: main }],
    problems: [],
  };
  applyEnvironment(draft, options.environment ?? process.env, dirname(file));
  expandTrunks(draft);
  readSecretFiles(draft);
  readRegistration(draft, options.newTokens);
  const parsed = configSchema.safeParse(draft.tree);
  if (!parsed.success) draft.problems.push(...problemsOf(configSchema, parsed.error.issues, draft.tree));
  let config: Config | undefined;
  if (parsed.success) {
    resolvePaths(draft, parsed.data);
    config = toConfig(parsed.data);
    draft.problems.push(...findMisfits(config));
  }
  if (config === undefined || draft.problems.length > 0)
    throw new GatewayError(
      "CONFIG_INVALID",
      problemText(draft.problems, (path) => whereIs(draft, path)),
    );
  return config;
};
