/** The homeserver's side of the application service API, for what a real homeserver sends only seldom. */
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";

import { parse } from "yaml";

import type { Lab } from "../../../deploy/lab/lab.ts";

export interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

export const hsTokenOf = async (lab: Lab): Promise<string> => {
  const registration = await readFile(join(dirname(lab.gateway.configFile), "registration.yaml"), "utf8");
  return (parse(registration) as { hs_token: string }).hs_token;
};

/** Any body, sent as it is. */
export const putTransaction = async (
  lab: Lab,
  body: string,
  { id = randomUUID(), token }: { id?: string; token?: string } = {},
): Promise<Answer> => {
  const url = `http://127.0.0.1:${lab.ports.gatewayAppservice}/_matrix/app/v1/transactions/${encodeURIComponent(id)}`;
  const authorization = `Bearer ${token ?? (await hsTokenOf(lab))}`;
  const response = await fetch(url, {
    method: "PUT",
    headers: { authorization, "content-type": "application/json" },
    body,
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
};

export const memberEvent = (event: {
  readonly roomId: string;
  readonly sender: string;
  readonly user: string;
  readonly membership: string;
}): Record<string, unknown> => ({
  type: "m.room.member",
  event_id: `$${randomUUID()}`,
  room_id: event.roomId,
  sender: event.sender,
  state_key: event.user,
  content: { membership: event.membership },
});

export const putEvents = (lab: Lab, events: readonly unknown[], id?: string): Promise<Answer> =>
  putTransaction(lab, JSON.stringify({ events }), id === undefined ? {} : { id });
