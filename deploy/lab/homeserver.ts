import { createHmac, randomBytes } from "node:crypto";

/** A user of the lab, logged in on one device. */
export interface LabUser {
  userId: string;
  password: string;
  accessToken: string;
  deviceId: string;
}

export interface CreateRoomOptions {
  creator: LabUser;
  encrypted: boolean;
  name: string;
  /** They are invited and join. */
  invite?: LabUser[];
  /** Merged over the room's first power levels, e.g. `{ invite: 50 }` or `{ events: { ... } }`. */
  powerLevels?: Record<string, unknown>;
  roomVersion?: string;
}

/** An answer of the homeserver other than 2xx. */
export class HomeserverError extends Error {
  readonly status: number;
  readonly errcode: string;
  constructor(request: string, status: number, body: { errcode?: string; error?: string }) {
    super(`${request}: ${status} ${body.errcode ?? ""} ${body.error ?? ""}`);
    this.status = status;
    this.errcode = body.errcode ?? "";
  }
}

export interface LabHomeserver {
  /** Client API, without a trailing slash. */
  url: string;
  serverName: string;
  /** Certificate of the federation port, for NODE_EXTRA_CA_CERTS. */
  certificate: string;
  /** Makes a user, or logs a user of this lab in again on a new device. */
  createUser(localpart: string, options?: { displayName?: string }): Promise<LabUser>;
  /** A new device of a user made by createUser. */
  login(localpart: string): Promise<LabUser>;
  /** One request of the client-server API, parsed as JSON. Throws HomeserverError. */
  request<T = Record<string, unknown>>(
    method: string,
    path: string,
    options?: { body?: unknown; user?: Pick<LabUser, "accessToken"> },
  ): Promise<T>;
  createRoom(options: CreateRoomOptions): Promise<string>;
}

interface LoginAnswer {
  user_id: string;
  access_token: string;
  device_id: string;
}

// Rooms made by call-enabled clients let everybody join calls; Synapse's default for state events is 50.
const CALL_EVENT_LEVELS = { "org.matrix.msc3401.call.member": 0, "org.matrix.msc4143.rtc.member": 0 };

export function createHomeserver(url: string, serverName: string, certificate: string): LabHomeserver {
  const passwordOf = (localpart: string) => `password-of-${localpart}`;

  const request: LabHomeserver["request"] = async <T>(
    method: string,
    path: string,
    options: { body?: unknown; user?: Pick<LabUser, "accessToken"> } = {},
  ) => {
    const response = await fetch(url + path, {
      method,
      headers: {
        "content-type": "application/json",
        ...(options.user && { authorization: `Bearer ${options.user.accessToken}` }),
      },
      ...(options.body !== undefined && { body: JSON.stringify(options.body) }),
    });
    const body: unknown = await response.json().catch(() => ({}));
    if (!response.ok) throw new HomeserverError(`${method} ${path}`, response.status, body as { errcode?: string });
    return body as T;
  };

  const toUser = (localpart: string, answer: LoginAnswer): LabUser => ({
    userId: answer.user_id,
    password: passwordOf(localpart),
    accessToken: answer.access_token,
    deviceId: answer.device_id,
  });

  const login = async (localpart: string): Promise<LabUser> => {
    const answer = await request<LoginAnswer>("POST", "/_matrix/client/v3/login", {
      body: {
        type: "m.login.password",
        identifier: { type: "m.id.user", user: localpart },
        password: passwordOf(localpart),
        device_id: `LAB${randomBytes(4).toString("hex").toUpperCase()}`,
      },
    });
    return toUser(localpart, answer);
  };

  const createUser: LabHomeserver["createUser"] = async (localpart, options = {}) => {
    const path = "/_synapse/admin/v1/register";
    const { nonce } = await request<{ nonce: string }>("GET", path);
    const password = passwordOf(localpart);
    const mac = createHmac("sha1", "lab-registration")
      .update([nonce, localpart, password, "notadmin"].join("\0"))
      .digest("hex");
    const body = {
      nonce,
      username: localpart,
      displayname: options.displayName ?? localpart,
      password,
      mac,
      admin: false,
    };
    try {
      return toUser(localpart, await request<LoginAnswer>("POST", path, { body }));
    } catch (error) {
      if (error instanceof HomeserverError && error.errcode === "M_USER_IN_USE") return login(localpart);
      throw error;
    }
  };

  const createRoom: LabHomeserver["createRoom"] = async (options) => {
    const { events, ...levels } = options.powerLevels ?? {};
    const invited = options.invite ?? [];
    const { room_id: roomId } = await request<{ room_id: string }>("POST", "/_matrix/client/v3/createRoom", {
      user: options.creator,
      body: {
        name: options.name,
        preset: "private_chat",
        invite: invited.map((user) => user.userId),
        power_level_content_override: {
          ...levels,
          events: { ...CALL_EVENT_LEVELS, ...(events as object | undefined) },
        },
        ...(options.roomVersion !== undefined && { room_version: options.roomVersion }),
        ...(options.encrypted && {
          initial_state: [{ type: "m.room.encryption", state_key: "", content: { algorithm: "m.megolm.v1.aes-sha2" } }],
        }),
      },
    });
    for (const user of invited) {
      await request("POST", `/_matrix/client/v3/join/${encodeURIComponent(roomId)}`, { body: {}, user });
    }
    return roomId;
  };

  return { url, serverName, certificate, createUser, login, request, createRoom };
}
