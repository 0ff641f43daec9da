import { readFile } from "node:fs/promises";
import { z } from "zod";
import { toGatewayError } from "../../errors.ts";
import type { UserId } from "../../ids.ts";
import type { Log } from "../../log.ts";
import { MatrixError, matrixPath, type Homeserver } from "../homeserver.ts";
import { localpartOf } from "./namespace.ts";

/** What the homeserver was told about one of our users. */
export interface UserProfile {
  readonly displayName: string;
  /** `mxc://` address; absent when the upload failed. */
  readonly avatarUrl?: string;
}

/** Which of our users exist, kept over restarts (store/). */
export interface GhostStore {
  get(user: UserId): UserProfile | undefined;
  put(user: UserId, profile: UserProfile): void;
  /** `mxc://` address of the handset, once it was uploaded. */
  getAvatarUrl(): string | undefined;
  setAvatarUrl(mxc: string): void;
}

export interface Users {
  /** Makes the user, without name and picture, unless it is known. Rejects with HOMESERVER_*. */
  register(user: UserId): Promise<void>;
  /** Registers the user and sets name and avatar, unless that is done already: a known user costs no request. Rejects with HOMESERVER_*. */
  ensure(user: UserId, displayName: string): Promise<void>;
  /** True when the user was made before, by this process or an earlier one. */
  isKnown(user: UserId): boolean;
}

/** Every ghost looks the same, so one picture is uploaded once per homeserver. */
const AVATAR_FILE = new URL("./handset.png", import.meta.url);

const uploadSchema = z.object({ content_uri: z.string().startsWith("mxc://") });

const registerUser = async (homeserver: Homeserver, user: UserId): Promise<void> => {
  try {
    await homeserver.request({
      method: "POST",
      path: matrixPath("client/v3", "register"),
      // MSC4190: without inhibit_login Synapse answers an error, although it makes the user (homeserver.md 1.3).
      body: { type: "m.login.application_service", username: localpartOf(user), inhibit_login: true },
    });
  } catch (error) {
    if (error instanceof MatrixError && error.errcode === "M_USER_IN_USE") return;
    throw error;
  }
};

const setProfile = async (
  homeserver: Homeserver,
  user: UserId,
  field: "displayname" | "avatar_url",
  value: string,
): Promise<void> => {
  await homeserver.request({
    method: "PUT",
    path: matrixPath("client/v3", "profile", user, field),
    body: { [field]: value },
    as: { userId: user },
  });
};

export const createUsers = (deps: {
  readonly homeserver: Homeserver;
  readonly store: GhostStore;
  readonly log: Log;
}): Users => {
  const { homeserver, store, log } = deps;
  const running = new Map<UserId, Promise<void>>();
  // Once per process, also when it fails: the picture must not delay every first call.
  let upload: Promise<string | undefined> | undefined;

  const uploadAvatar = async (user: UserId): Promise<string | undefined> => {
    try {
      const answer = await homeserver.request({
        method: "POST",
        path: `${matrixPath("media/v3", "upload")}?filename=handset.png`,
        rawBody: { bytes: await readFile(AVATAR_FILE), contentType: "image/png" },
        as: { userId: user },
      });
      const mxc = uploadSchema.parse(answer).content_uri;
      store.setAvatarUrl(mxc);
      return mxc;
    } catch (thrown) {
      const { code, message } = toGatewayError(thrown);
      log.warn({ code }, `phones have no picture: ${message}`);
      return undefined;
    }
  };

  const avatarUrl = (user: UserId): string | undefined | Promise<string | undefined> =>
    store.getAvatarUrl() ?? (upload ??= uploadAvatar(user));

  const make = async (user: UserId, displayName: string, known: UserProfile | undefined): Promise<void> => {
    if (known === undefined) await registerUser(homeserver, user);
    const avatar = await avatarUrl(user);
    await Promise.all([
      known?.displayName === displayName ? undefined : setProfile(homeserver, user, "displayname", displayName),
      avatar === undefined || known?.avatarUrl === avatar
        ? undefined
        : setProfile(homeserver, user, "avatar_url", avatar),
    ]);
    store.put(user, { displayName, ...(avatar === undefined ? {} : { avatarUrl: avatar }) });
  };

  return {
    register: async (user) => {
      if (store.get(user) === undefined) await registerUser(homeserver, user);
    },
    isKnown: (user) => store.get(user) !== undefined,
    ensure: async (user, displayName) => {
      const known = store.get(user);
      if (known?.displayName === displayName && known.avatarUrl === store.getAvatarUrl()) return;
      const pending = running.get(user);
      if (pending !== undefined) {
        await pending;
        return;
      }
      const made = make(user, displayName, known).finally(() => running.delete(user));
      running.set(user, made);
      await made;
    },
  };
};
