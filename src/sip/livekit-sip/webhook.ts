import { WebhookReceiver } from "livekit-server-sdk";
import { GatewayError } from "../../errors.ts";

/** Something has come into this room, or gone. */
export interface RoomHint {
  readonly room: string;
  readonly hasLeft: boolean;
}

/** Reads LiveKit's webhooks: the room that an event is about. Rejects with UNAUTHORIZED what was not signed with our key. */
export const createWebhook = (
  { apiKey, apiSecret }: { readonly apiKey: string; readonly apiSecret: string },
  onHint: (hint: RoomHint) => void,
): ((body: string, authorization: string) => Promise<void>) => {
  const receiver = new WebhookReceiver(apiKey, apiSecret);
  return async (body, authorization) => {
    try {
      const { room, event } = await receiver.receive(body, authorization);
      const hasLeft = event === "participant_left";
      // A call is one when the phone's track is there.
      if (hasLeft || event === "track_published") onHint({ room: room?.name ?? "", hasLeft });
    } catch (cause) {
      throw new GatewayError("UNAUTHORIZED", "This webhook was not signed with livekit_sip.api_key", { cause });
    }
  };
};
