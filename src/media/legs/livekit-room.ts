import type { LegMedia } from "../../calls/ports.ts";
import type { SampleRateHz } from "../frame.ts";
import type { CreateSfuClient } from "../sfu/port.ts";
import type { Leg, LegEvents } from "./port.ts";

type RoomMedia = Extract<LegMedia, { kind: "livekit-room" }>;

/** livekit-sip offers G.722: the leg room carries wideband. */
const RATE_HZ: SampleRateHz = 16000;

/**
 * The leg room of livekit-sip: the phone is a participant in it, we are the other one. Its frames are handed on as they come: with
 * the light SFU client that is Opus, which the conference gets unchanged. What we publish is the mix, encoded once; livekit-sip sends
 * it to the phone once the call is answered.
 *
 * `onKey`: keys of the phone, which may be a PIN. Rejects with GatewayError MEDIA_FAILED or SFU_REFUSED.
 */
export const connectLivekitRoomLeg = async (
  media: RoomMedia,
  events: LegEvents,
  createSfuClient: CreateSfuClient,
  onKey: (digit: string) => void,
): Promise<Leg> => {
  const client = createSfuClient({
    address: { sfuUrl: media.url, token: media.token, identity: "", encrypted: false },
    publishes: "opus",
    wants: (identity) => identity === media.phoneIdentity,
    events: {
      onFrame: (_track, frame) => events.onFrame(frame),
      onTrackEnded: () => {},
      onKey: (identity, digit) => {
        if (identity === media.phoneIdentity) onKey(digit);
      },
      onState: (state, message) => {
        if (state === "closed") events.onLost(message);
      },
    },
  });
  client.listen(RATE_HZ);
  await client.connect();
  return {
    format: { codec: "slin", sampleRateHz: RATE_HZ },
    send: (frame) => client.send(frame),
    takeDropped: () => 0,
    press: async (keys) => {
      // livekit-sip plays one key after the other.
      for (const key of keys) await client.press(media.phoneIdentity, key);
    },
    close: () => client.close(),
  };
};
