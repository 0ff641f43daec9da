import { AccessToken } from "livekit-server-sdk";

import type { Lab } from "../../../deploy/lab/lab.ts";
import { livekitRoomName, ROOM_SLOT } from "../../../deploy/lab/token-service/identity.ts";
import { startTalker, type Talker } from "../media/talker.ts";

/**
 * Somebody with a token for the SFU's room of a call who is no member of the call, and says a tone there. With `key` the audio is
 * encrypted with it, otherwise it is in clear.
 */
export const intrude = async (
  lab: Lab,
  { roomId, identity, toneHz, key }: { roomId: string; identity: string; toneHz: number; key?: Uint8Array },
): Promise<Talker> => {
  const { wsUrl, apiKey, apiSecret } = lab.livekit;
  const token = new AccessToken(apiKey, apiSecret, { identity });
  token.addGrant({ roomJoin: true, room: livekitRoomName(roomId, ROOM_SLOT) });
  const talker = startTalker();
  try {
    await talker.join({ url: wsUrl, token: await token.toJwt(), identity, encrypted: key !== undefined });
    if (key !== undefined) await talker.setKey(identity, 0, key);
    await talker.say(toneHz);
    return talker;
  } catch (error) {
    await talker.close();
    throw error;
  }
};
