/** The files a configuration comes from, and where in them a value stands. */
import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { LineCounter, parseDocument } from "yaml";
import { GatewayError } from "../errors.ts";
import type { KeyPath } from "./walk.ts";

/** A value that came from somewhere: a file or the environment. */
export interface Origin {
  /** Where it stands, for a message: `config.yaml:12`, or the name of an environment variable. */
  where(path: KeyPath): string;
  /** Folder that relative file names start from. */
  readonly folder: string;
}

export interface YamlFile extends Origin {
  readonly value: unknown;
}

/** Why a file could not be read, without the stack: the person needs the name and the reason. */
export const readText = (file: string): string => {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const reason =
      code === "ENOENT" ? "does not exist" : code === "EACCES" ? "may not be read by this user" : String(error);
    throw new GatewayError("CONFIG_INVALID", `${file} ${reason}`, { cause: error });
  }
};

export const readYaml = (file: string): YamlFile => {
  const lines = new LineCounter();
  const document = parseDocument(readText(file), { lineCounter: lines });
  const first = document.errors[0];
  if (first !== undefined) {
    const line = first.linePos?.[0].line;
    // Only the first line of the message: the rest quotes the file, which may hold a secret.
    throw new GatewayError(
      "CONFIG_INVALID",
      `${file}${line === undefined ? "" : `:${line}`}: not YAML: ${first.message.split("\n")[0]?.replace(/ at line.*$/, "")}`,
    );
  }
  const value: unknown = document.toJS();
  return {
    value,
    folder: dirname(file),
    where: (path) => {
      for (let length = path.length; length > 0; length -= 1) {
        const node: unknown = document.getIn(path.slice(0, length), true);
        if (typeof node === "object" && node !== null && "range" in node && Array.isArray(node.range))
          return `${file}:${lines.linePos(node.range[0] as number).line}`;
      }
      return file;
    },
  };
};
