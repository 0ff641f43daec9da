import type { ElementCallHost } from "../lab/element-call/host.ts";
import type { LabUser } from "../lab/homeserver.ts";
import type { Lab } from "../lab/lab.ts";
import { PHONE_COMMANDS } from "../lab/phones/console.ts";

/** What `--keep` prints: how to take part in the call that goes on. */
export const howToGoOn = (stage: {
  readonly lab: Lab;
  readonly host: ElementCallHost;
  readonly people: Readonly<Record<"alice" | "bob", LabUser>>;
  readonly roomId: string;
}): string => {
  const { lab, host, people, roomId } = stage;
  const address = (user: LabUser): string =>
    host.sessionUrl({
      user: user.userId,
      password: user.password,
      room: roomId,
      intent: "join_existing_voice",
      driver: "person",
    });
  const { apiUrl, apiToken } = lab.gateway;
  return `
Everything is running; Ctrl-C stops it. Open Element Call in your own browser on this machine (it asks for the microphone):
  as alice  ${address(people.alice)}
  as bob    ${address(people.bob)}

${PHONE_COMMANDS}

The gateway's API: ${apiUrl}/api/v1 (OpenAPI: ${apiUrl}/api/v1/openapi.json, metrics: ${apiUrl}/metrics)
  curl -H 'authorization: Bearer ${apiToken}' ${apiUrl}/api/v1/calls
  curl -H 'authorization: Bearer ${apiToken}' -H 'content-type: application/json' \\
       -d '{"room_id": "${roomId}", "number": "1002"}' ${apiUrl}/api/v1/calls

Its configuration: ${lab.gateway.configFile}   Logs: ${lab.folder}/logs
`;
};
