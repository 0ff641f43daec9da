/* oxlint-disable oxc/no-async-endpoint-handlers -- express 5 hands rejections to the error handler */
import { Router, text } from "express";

/** An event of a participant with all its attributes. */
const MAX_BODY = "256kb";

/** Takes a webhook as it came, with its signature. Rejects with GatewayError. */
export type TakeWebhook = (body: string, authorization: string) => Promise<void>;

/** LiveKit's webhooks, which it signs itself: no bearer token of ours. */
export const createLivekitWebhook = (take: TakeWebhook): Router => {
  const router = Router();
  router.post("/livekit/webhook", text({ type: () => true, limit: MAX_BODY }), async (request, response) => {
    await take(typeof request.body === "string" ? request.body : "", request.get("authorization") ?? "");
    response.status(200).end();
  });
  return router;
};
