/** Who is on the SFU: as its list says, and as the SFU itself says. */
import { type JoinResponse, JoinRequest, ParticipantInfo_State } from "@livekit/protocol";
import { AccessToken, RoomServiceClient } from "livekit-server-sdk";

import { clientInfo, openSignalling } from "../../src/media/sfu/light/signalling.ts";
import type { Lab } from "./lab.ts";

type Livekit = Lab["livekit"];

export interface SfuParticipant {
  readonly room: string;
  readonly identity: string;
  /** New at each join. */
  readonly sid: string;
  readonly state: string;
}

/**
 * Everybody in the list of the SFU, which is in Redis. Somebody who left may stay there until the room ends: livekit-server 1.13.5 writes a
 * change into the list without looking again whether the participant has left meanwhile, and a killed one takes nobody out.
 */
export const listSfuParticipants = async ({ httpUrl, apiKey, apiSecret }: Livekit): Promise<SfuParticipant[]> => {
  const service = new RoomServiceClient(httpUrl, apiKey, apiSecret);
  const found = (await service.listRooms()).map(async ({ name }) =>
    (await service.listParticipants(name)).map(({ identity, sid, state }) => ({
      room: name,
      identity,
      sid,
      state: ParticipantInfo_State[state],
    })),
  );
  return (await Promise.all(found)).flat();
};

/** Identities in a room, as the SFU tells whoever joins; nobody there sees the one who asks. Makes the room if there is none. */
export const identitiesInRoom = async (livekit: Livekit, room: string): Promise<string[]> => {
  const { wsUrl, apiKey, apiSecret } = livekit;
  const token = new AccessToken(apiKey, apiSecret, { identity: `observer-${crypto.randomUUID()}` });
  token.addGrant({ roomJoin: true, room, hidden: true, canPublish: false, canSubscribe: false });
  const joined = Promise.withResolvers<JoinResponse>();
  const signalling = await openSignalling({
    sfuUrl: wsUrl,
    token: await token.toJwt(),
    request: new JoinRequest({ clientInfo: clientInfo() }),
    onMessage: (message) => {
      if (message.case === "join") joined.resolve(message.value);
    },
    onLost: () => joined.reject(new Error(`the SFU did not say who is in the room ${room}`)),
  });
  const { otherParticipants } = await joined.promise;
  await signalling.leave();
  return otherParticipants.map(({ identity }) => identity);
};

/** Those that the list names and that are there: the SFU is asked once more only where it names somebody. */
export const presentSfuParticipants = async (
  livekit: Livekit,
  matters: (participant: SfuParticipant) => boolean,
): Promise<SfuParticipant[]> => {
  const listed = (await listSfuParticipants(livekit)).filter(matters);
  const rooms = [...new Set(listed.map(({ room }) => room))];
  const present = new Map(
    await Promise.all(rooms.map(async (room) => [room, await identitiesInRoom(livekit, room)] as const)),
  );
  return listed.filter(({ room, identity }) => present.get(room)?.includes(identity));
};
