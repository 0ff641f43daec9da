/** What calls may have left behind, asked from every server that could hold something. */
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { RoomServiceClient } from "livekit-server-sdk";
import { parse } from "yaml";
import { presentSfuParticipants } from "../lab/sfu-participants.ts";
import { openFiles } from "./processes.ts";
import type { GatewayStage } from "./gateway-stage.ts";
import type { Stage } from "./stage.ts";

const CALL_MEMBER = "org.matrix.msc3401.call.member";

/** Devices of the ghosts, asked with the gateway's own token. */
export const ghostDevices = async ({ lab }: Stage, ghosts: readonly string[]): Promise<string[]> => {
  const registration = await readFile(join(dirname(lab.gateway.configFile), "registration.yaml"), "utf8");
  const { as_token: accessToken } = parse(registration) as { as_token: string };
  const found: string[] = [];
  for (const ghost of ghosts) {
    const path = `/_matrix/client/v3/devices?user_id=${encodeURIComponent(ghost)}`;
    const { devices } = await lab.homeserver.request<{ devices: { device_id: string }[] }>("GET", path, {
      user: { accessToken },
    });
    found.push(...devices.map(({ device_id }) => `${ghost} ${device_id}`));
  }
  return found;
};

/** Memberships of the call that are not the talker's. */
export const memberships = async ({ lab, roomId, alice }: Stage): Promise<string[]> => {
  const path = `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/state`;
  type State = { type: string; state_key: string; content: Record<string, unknown> }[];
  const state = await lab.homeserver.request<State>("GET", path, { user: alice });
  return state
    .filter(({ type, content }) => type === CALL_MEMBER && Object.keys(content).length > 0)
    .map(({ state_key }) => state_key)
    .filter((key) => !key.includes(alice.userId));
};

/** Participants of every room of the SFU but the talker. */
export const participants = async (stage: Stage): Promise<string[]> => {
  const others = await presentSfuParticipants(stage.lab.livekit, ({ identity }) => identity !== stage.talker.identity);
  return others.map(({ identity }) => identity);
};

/** Channels and bridges of the gateway's Asterisk, and leg rooms. */
export const sipResources = async (stage: Stage): Promise<string[]> => {
  const { httpUrl, apiKey, apiSecret } = stage.lab.livekit;
  const legRooms = (await new RoomServiceClient(httpUrl, apiKey, apiSecret).listRooms())
    .map(({ name }) => name)
    .filter((name) => name.startsWith("mrtc-leg-"));
  const { ariUrl, ariUser, ariPassword } = stage.lab.trunkPeer;
  const authorization = `Basic ${Buffer.from(`${ariUser}:${ariPassword}`).toString("base64")}`;
  const list = async (kind: "channels" | "bridges"): Promise<string[]> => {
    const response = await fetch(`${ariUrl}/${kind}`, { headers: { authorization } });
    if (!response.ok) throw new Error(`ARI answered ${response.status} to ${kind}`);
    return ((await response.json()) as { id: string }[]).map(({ id }) => `${kind} ${id}`);
  };
  return [...legRooms, ...(await list("channels")), ...(await list("bridges"))];
};

export interface OpenFiles {
  readonly gateway: number;
  /** Of the worker that has most. */
  readonly worker: number;
}

export const filesOf = (stage: GatewayStage): OpenFiles => ({
  gateway: openFiles(stage.gatewayPid()),
  worker: Math.max(...stage.workerPids().map(openFiles)),
});
