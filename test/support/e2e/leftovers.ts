/** What is left of phones after their calls, asked from every server that could hold something. */
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";

import { RoomServiceClient } from "livekit-server-sdk";
import { parse } from "yaml";

import type { LabUser } from "../../../deploy/lab/homeserver.ts";
import type { Lab } from "../../../deploy/lab/lab.ts";
import { presentSfuParticipants } from "../../../deploy/lab/sfu-participants.ts";

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
}

/** Everything that exists of a phone, in words; empty when nothing does. Leaving the room is not asked here: it comes last. */
export const leftOf = async (lab: Lab, what: GhostInRoom): Promise<string[]> => {
  const { roomId, ghost, witness, besides } = what;
  const delayedPath = "/_matrix/client/unstable/org.matrix.msc4140/delayed_events";
  const [memberships, participants, devices, delayed, sip, rooms] = await Promise.all([
    callMemberships(lab, roomId, witness),
    presentSfuParticipants(lab.livekit, ({ identity }) => identity.includes(ghost)),
    asGhost(lab, ghost, "/_matrix/client/v3/devices") as Promise<{ devices: { device_id: string }[] }>,
    asGhost(lab, ghost, delayedPath) as Promise<{ delayed_events: { delay_id: string }[] }>,
    trunkPeerResources(lab),
    legRooms(lab),
  ]);
  // Names of channels, bridges and leg rooms hold the id of their call.
  const isOver = (name: string): boolean => besides === undefined || !name.includes(besides);
  return [
    ...memberships.filter((key) => key.includes(ghost)).map((key) => `membership ${key}`),
    ...participants.map(({ room, identity, state }) => `SFU participant ${room}/${identity} (${state})`),
    ...devices.devices.map(({ device_id }) => `device ${device_id}`),
    ...delayed.delayed_events.map(({ delay_id }) => `delayed event ${delay_id}`),
    ...sip.filter(isOver).map((name) => `trunk peer: ${name}`),
    ...rooms.filter(isOver).map((name) => `leg room ${name}`),
  ];
};
