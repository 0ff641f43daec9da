import type { Express } from "express";
import type { Log } from "../log.ts";
import { type AnsweredRequest, createBaseApp } from "./base-app.ts";
import { type CallsApiDeps, createCallsApi } from "./calls-api.ts";
import { API_CODES, handleErrors, handleUnknownRoute } from "./errors.ts";
import { createDirectoryApi, type DirectoryApiDeps } from "./directory-api.ts";
import { createLivekitWebhook, type TakeWebhook } from "./livekit-webhook.ts";

export interface Readiness {
  readonly ready: boolean;
  /** What was checked, for a person. Holds no secret. */
  readonly checks: readonly { readonly name: string; readonly ok: boolean; readonly text: string }[];
}

export interface ApiAppDeps extends CallsApiDeps, DirectoryApiDeps {
  readonly metrics: { readonly contentType: string; text(): Promise<string> };
  /** Whether calls can be made now. Cheap: asked every few seconds. */
  readonly readiness: () => Readiness;
  /** With a livekit-sip trunk. */
  readonly takeWebhook?: TakeWebhook;
  readonly onRequest: (request: AnsweredRequest) => void;
  readonly log: Log;
}

/** The listener for programs and for monitoring. */
export const createApiApp = (deps: ApiAppDeps): Express => {
  const { metrics, readiness, log } = deps;
  const app = createBaseApp({ listener: "api", onRequest: deps.onRequest });
  // Answers as long as the event loop turns: whoever restarts the gateway asks here.
  app.get("/healthz", (_, response) => {
    response.json({ status: "ok" });
  });
  app.get("/readyz", (_, response) => {
    const state = readiness();
    response.status(state.ready ? 200 : 503).json(state);
  });
  app.get("/metrics", async (_, response) => {
    response.type(metrics.contentType).send(await metrics.text());
  });
  if (deps.takeWebhook !== undefined) app.use(createLivekitWebhook(deps.takeWebhook));
  app.use(createCallsApi(deps));
  app.use(createDirectoryApi(deps));
  app.use(handleUnknownRoute(API_CODES));
  app.use(handleErrors(API_CODES, log));
  return app;
};
