/** What is left of phones after their calls, asked from every server that could hold something. */
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";

import { ParticipantInfo_State } from "@livekit/protocol";
import { RoomServiceClient } from "livekit-server-sdk";
import { parse } from "yaml";

import type { LabUser } from "../../../deploy/lab/homeserver.ts";
import type { Lab } from "../../../deploy/lab/lab.ts";

const CALL_MEMBER = "org.matrix.msc3401.call.member";

interface StateEvent {
  readonly type: string;
  readonly state_key: string;
  readonly content: Record<string, unknown>;
}

/** Asks the homeserver as the gateway: with its token, in the name of one of its users. */
const asGhost = async (lab: Lab, ghost: string, path: string): Promise<Record<string, unknown>> => {
  const registration = await readFile(join(dirname(lab.gateway.configFile), "registration.yaml"), "utf8");
  const { as_token: accessToken } = parse(registration) as { as_token: string };
  const separator = path.includes("?") ? "&" : "?";
  return lab.homeserver.request("GET", `${path}${separator}user_id=${encodeURIComponent(ghost)}`, {
    user: { accessToken },
  });
};

/** Memberships of the call in a room that are not empty, by state key. */
export const callMemberships = async (lab: Lab, roomId: string, asUser: LabUser): Promise<string[]> => {
  const path = `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/state`;
  const state = await lab.homeserver.request<StateEvent[]>("GET", path, { user: asUser });
  return state
    .filter(({ type, content }) => type === CALL_MEMBER && Object.keys(content).length > 0)
    .map(({ state_key }) => state_key);
};

/** `join`, `leave`, ... of a user in a room. */
export const roomMembership = async (lab: Lab, roomId: string, userId: string, asUser: LabUser): Promise<string> => {
  const path = `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/state/m.room.member/${encodeURIComponent(userId)}`;
  return (await lab.homeserver.request<{ membership: string }>("GET", path, { user: asUser })).membership;
};

interface SfuParticipant {
  /** "room/identity" */
  readonly name: string;
  /** New at each join. */
  readonly sid: string;
  readonly state: string;
}

const listSfuParticipants = async (lab: Lab): Promise<SfuParticipant[]> => {
  const { httpUrl, apiKey, apiSecret } = lab.livekit;
  const rooms = new RoomServiceClient(httpUrl, apiKey, apiSecret);
  const found = (await rooms.listRooms()).map(async ({ name }) =>
    (await rooms.listParticipants(name)).map(({ identity, sid, state }) => ({
      name: `${name}/${identity}`,
      sid,
      state: ParticipantInfo_State[state],
    })),
  );
  return (await Promise.all(found)).flat();
};

/** Identities in every room of the SFU, as "room/identity". */
export const sfuParticipants = async (lab: Lab): Promise<string[]> =>
  (await listSfuParticipants(lab)).map(({ name }) => name);

/** Ids of everybody in the rooms of the SFU: another one for each join. */
export const sfuParticipantIds = async (lab: Lab): Promise<string[]> =>
  (await listSfuParticipants(lab)).map(({ sid }) => sid);

/** Leg rooms of the livekit-sip engine. */
export const legRooms = async (lab: Lab): Promise<string[]> => {
  const { httpUrl, apiKey, apiSecret } = lab.livekit;
  const rooms = await new RoomServiceClient(httpUrl, apiKey, apiSecret).listRooms();
  return rooms.map(({ name }) => name).filter((name) => name.startsWith("mrtc-leg-"));
};

/** Channels and bridges of the gateway's own Asterisk. */
export const trunkPeerResources = async (lab: Lab): Promise<string[]> => {
  const { ariUrl, ariUser, ariPassword } = lab.trunkPeer;
  const authorization = `Basic ${Buffer.from(`${ariUser}:${ariPassword}`).toString("base64")}`;
  const list = async (kind: "channels" | "bridges"): Promise<string[]> => {
    const response = await fetch(`${ariUrl}/${kind}`, { headers: { authorization } });
    if (!response.ok) throw new Error(`ARI answered ${response.status} to ${kind}`);
    return ((await response.json()) as { id: string }[]).map(({ id }) => `${kind} ${id}`);
  };
  return (await Promise.all([list("channels"), list("bridges")])).flat();
};

export interface GhostInRoom {
  readonly roomId: string;
  readonly ghost: string;
  /** Somebody in the room who looks at its state. */
  readonly witness: LabUser;
  /** Id of a call that goes on: its channels and its leg room are no leftovers. */
  readonly besides?: string;
  /** Participants of an SFU that was killed since: what it has of them in Redis stays there until their room ends. */
  readonly lostParticipants?: readonly string[];
}

/** Everything that exists of a phone, in words; empty when nothing does. Leaving the room is not asked here: it comes last. */
export const leftOf = async (lab: Lab, what: GhostInRoom): Promise<string[]> => {
  const { roomId, ghost, witness, besides, lostParticipants = [] } = what;
  const delayedPath = "/_matrix/client/unstable/org.matrix.msc4140/delayed_events";
  const [memberships, participants, devices, delayed, sip, rooms] = await Promise.all([
    callMemberships(lab, roomId, witness),
    listSfuParticipants(lab),
    asGhost(lab, ghost, "/_matrix/client/v3/devices") as Promise<{ devices: { device_id: string }[] }>,
    asGhost(lab, ghost, delayedPath) as Promise<{ delayed_events: { delay_id: string }[] }>,
    trunkPeerResources(lab),
    legRooms(lab),
  ]);
  // Names of channels, bridges and leg rooms hold the id of their call.
  const isOver = (name: string): boolean => besides === undefined || !name.includes(besides);
  return [
    ...memberships.filter((key) => key.includes(ghost)).map((key) => `membership ${key}`),
    ...participants
      .filter(({ name, sid }) => name.includes(ghost) && !lostParticipants.includes(sid))
      .map(({ name, state }) => `SFU participant ${name} (${state})`),
    ...devices.devices.map(({ device_id }) => `device ${device_id}`),
    ...delayed.delayed_events.map(({ delay_id }) => `delayed event ${delay_id}`),
    ...sip.filter(isOver).map((name) => `trunk peer: ${name}`),
    ...rooms.filter(isOver).map((name) => `leg room ${name}`),
  ];
};
