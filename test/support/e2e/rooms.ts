/** What people do in a room and read there, asked of the homeserver without a client. Words are readable in plain rooms only. */
import { randomUUID } from "node:crypto";

import type { LabUser } from "../../../deploy/lab/homeserver.ts";
import { HomeserverError } from "../../../deploy/lab/homeserver.ts";
import type { Lab } from "../../../deploy/lab/lab.ts";
import { until } from "./until.ts";

export const CALL_MEMBER = "org.matrix.msc3401.call.member";

const MESSAGES: ReadonlySet<string> = new Set(["m.room.message", "m.room.encrypted"]);

export interface RoomEvent {
  readonly type: string;
  readonly event_id: string;
  readonly sender: string;
  readonly state_key?: string;
  readonly content: Record<string, unknown>;
}

const pathOf = (roomId: string, ...segments: readonly string[]): string =>
  `/_matrix/client/v3/rooms/${[roomId, ...segments].map(encodeURIComponent).join("/")}`;

export interface RoomHand {
  readonly roomId: string;
  say(user: LabUser, body: string): Promise<void>;
  invite(user: LabUser, whom: string, content?: Record<string, unknown>): Promise<void>;
  kick(user: LabUser, whom: string): Promise<void>;
  /** An emoji at the newest message with these words. */
  react(user: LabUser, words: string, key: string): Promise<void>;
  ban(user: LabUser, whom: string): Promise<void>;
  putState(user: LabUser, type: string, stateKey: string, content: Record<string, unknown>): Promise<void>;
  state<Content = Record<string, unknown>>(type: string, stateKey?: string): Promise<Content | undefined>;
  /** A membership of the call, as Element Call writes it: for the checks of a request a call needs no audio. */
  joinCallSilently(user: LabUser): Promise<void>;
  /** Oldest first, the last 100. */
  timeline(): Promise<RoomEvent[]>;
  /** Notices of a sender, oldest first. */
  notices(sender: string): Promise<string[]>;
  /** Resolves when the bot has answered `!phone list`: it then knows all that happened in the room before. */
  untilBotHasRead(user: LabUser): Promise<void>;
  /** The first notice with this text; rejects after 10 s with the notices there are. */
  waitForNotice(sender: string, text: string): Promise<string>;
}

/** `witness` reads. */
export const roomHand = ({ homeserver, gateway }: Lab, roomId: string, witness: LabUser): RoomHand => {
  const timeline: RoomHand["timeline"] = async () => {
    const path = `${pathOf(roomId, "messages")}?dir=b&limit=100`;
    return (await homeserver.request<{ chunk: RoomEvent[] }>("GET", path, { user: witness })).chunk.reverse();
  };
  const notices: RoomHand["notices"] = async (sender) =>
    (await timeline()).flatMap(({ type, sender: from, content }) =>
      type === "m.room.message" && from === sender && content["msgtype"] === "m.notice"
        ? [String(content["body"])]
        : [],
    );
  const post = async (user: LabUser, action: string, body: Record<string, unknown>): Promise<void> => {
    await homeserver.request("POST", pathOf(roomId, action), { user, body });
  };
  const putState: RoomHand["putState"] = async (user, type, stateKey, content) => {
    await homeserver.request("PUT", pathOf(roomId, "state", type, stateKey), { user, body: content });
  };
  const say: RoomHand["say"] = async (user, body) => {
    const path = pathOf(roomId, "send", "m.room.message", randomUUID());
    await homeserver.request("PUT", path, { user, body: { msgtype: "m.text", body } });
  };
  /** In an encrypted room its words cannot be read, but that it says something can be seen. */
  const wordsOfBot = async (): Promise<number> =>
    (await timeline()).filter(({ type, sender }) => sender === gateway.botUserId && MESSAGES.has(type)).length;
  return {
    roomId,
    timeline,
    notices,
    putState,
    say,
    untilBotHasRead: async (user) => {
      const before = await wordsOfBot();
      await say(user, "!phone list");
      await until("an answer of the bot", async () => ((await wordsOfBot()) > before ? true : undefined));
    },
    invite: (user, whom, content = {}) => post(user, "invite", { user_id: whom, ...content }),
    react: async (user, words, key) => {
      const message = (await timeline()).findLast(({ content }) => String(content["body"]).includes(words));
      const relation = { rel_type: "m.annotation", event_id: message?.event_id, key };
      const path = pathOf(roomId, "send", "m.reaction", randomUUID());
      await homeserver.request("PUT", path, { user, body: { "m.relates_to": relation } });
    },
    kick: (user, whom) => post(user, "kick", { user_id: whom }),
    ban: (user, whom) => post(user, "ban", { user_id: whom }),
    state: async <Content>(type: string, stateKey = "") => {
      try {
        return await homeserver.request<Content>("GET", pathOf(roomId, "state", type, stateKey), { user: witness });
      } catch (error) {
        if (error instanceof HomeserverError && error.status === 404) return undefined;
        throw error;
      }
    },
    joinCallSilently: (user) =>
      putState(user, CALL_MEMBER, `_${user.userId}_${user.deviceId}_m.call`, callMembership(user, roomId)),
    waitForNotice: async (sender, text) => {
      let seen: string[] = [];
      return until(
        `a notice of ${sender} with "${text}"`,
        async () => {
          seen = await notices(sender);
          return seen.find((notice) => notice.includes(text));
        },
        { seen: () => seen },
      );
    },
  };
};

/** Content of a membership in the compatibility format, valid for an hour. */
export const callMembership = (
  { deviceId }: Pick<LabUser, "deviceId">,
  roomId: string,
  serviceUrl = "http://127.0.0.1:1",
): Record<string, unknown> => ({
  application: "m.call",
  call_id: "",
  scope: "m.room",
  device_id: deviceId,
  expires: 3_600_000,
  focus_active: { type: "livekit", focus_selection: "oldest_membership" },
  foci_preferred: [{ type: "livekit", livekit_service_url: serviceUrl, livekit_alias: roomId }],
});

/** True when the homeserver has this user. */
export const userExists = async ({ homeserver }: Lab, userId: string): Promise<boolean> => {
  try {
    await homeserver.request("GET", `/_matrix/client/v3/profile/${encodeURIComponent(userId)}`);
    return true;
  } catch (error) {
    if (error instanceof HomeserverError && error.status === 404) return false;
    throw error;
  }
};

/** As clients show it. */
export const displayNameOf = async ({ homeserver }: Lab, userId: string): Promise<string> => {
  const path = `/_matrix/client/v3/profile/${encodeURIComponent(userId)}/displayname`;
  return (await homeserver.request<{ displayname: string }>("GET", path)).displayname;
};
