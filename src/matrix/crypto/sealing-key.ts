import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { GatewayError } from "../../errors.ts";
import type { SealingKey } from "./sealed-box.ts";

const KEY_BYTES = 32;

const parseKey = (path: string, text: string): SealingKey => {
  const key = Buffer.from(text.trim(), "base64");
  if (key.length !== KEY_BYTES) {
    throw new GatewayError(
      "CONFIG_INVALID",
      `${path} must hold ${KEY_BYTES} bytes in base64 (make one: openssl rand -base64 ${KEY_BYTES})`,
    );
  }
  return new Uint8Array(key) as SealingKey;
};

/**
 * Reads the key that seals the ghosts' cross-signing keys in the store; makes the file (mode 0600) when there is none. Losing it means
 * that every ghost gets a new identity, which its contacts see as a changed one.
 * @throws GatewayError CONFIG_INVALID when the file is no key.
 */
export const loadSealingKey = async (path: string): Promise<SealingKey> => {
  try {
    return parseKey(path, await readFile(path, "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  await mkdir(dirname(path), { recursive: true });
  const text = randomBytes(KEY_BYTES).toString("base64");
  // "wx": of two processes that start at once, the second must use the key of the first.
  await writeFile(path, `${text}\n`, { mode: 0o600, flag: "wx" }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
  return parseKey(path, await readFile(path, "utf8"));
};
