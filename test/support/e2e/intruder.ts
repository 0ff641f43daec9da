import { AccessToken, RoomServiceClient } from "livekit-server-sdk";

import type { Lab } from "../../../deploy/lab/lab.ts";
import { livekitRoomName, ROOM_SLOT } from "../../../deploy/lab/token-service/identity.ts";
import { startTalker } from "../media/talker.ts";

/**
 * Somebody with a token for the SFU's room of a call who is no member of the call, and says a tone there while `meanwhile` runs. With `key`
 * the audio is encrypted with it, otherwise it is in clear.
 */
export const whileIntruding = async (
  lab: Lab,
  { roomId, identity, toneHz, key }: { roomId: string; identity: string; toneHz: number; key?: Uint8Array },
  meanwhile: () => Promise<void>,
): Promise<void> => {
  const { wsUrl, httpUrl, apiKey, apiSecret } = lab.livekit;
  const room = livekitRoomName(roomId, ROOM_SLOT);
  const token = new AccessToken(apiKey, apiSecret, { identity });
  token.addGrant({ roomJoin: true, room });
  const talker = startTalker();
  try {
    await talker.join({ url: wsUrl, token: await token.toJwt(), identity, encrypted: key !== undefined });
    if (key !== undefined) await talker.setKey(identity, 0, key);
    await talker.say(toneHz);
    await meanwhile();
  } finally {
    await talker.close();
    // It is killed: the SFU would wait some seconds for it to come back.
    await new RoomServiceClient(httpUrl, apiKey, apiSecret).removeParticipant(room, identity);
  }
};
