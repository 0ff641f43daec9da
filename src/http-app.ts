/** Part of the composition root: the two HTTP listeners. */
import type { Calls } from "./calls/call-service.ts";
import { numberPlanOf } from "./config/domain.ts";
import type { Config } from "./config/schema.ts";
import type { Directory } from "./directory/directory.ts";
import { createApiApp, type Readiness } from "./http/api-app.ts";
import { createAppserviceApp } from "./http/appservice-app.ts";
import { type Listener, startListener } from "./http/listener.ts";
import type { Log } from "./log.ts";
import type { Appservice } from "./matrix/appservice/appservice.ts";
import type { Metrics } from "./observability/metrics.ts";
import type { LivekitSipEngine } from "./sip/livekit-sip/engine.ts";
import type { Store } from "./store/store.ts";

export interface HttpDeps {
  readonly config: Config;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly store: Pick<Store, "idempotency">;
}

export interface Listeners {
  readonly api: Listener;
  readonly appservice: Listener;
}

export const listen = async (
  { config, log, metrics, store }: HttpDeps,
  { calls, directory }: { readonly calls: Calls; readonly directory: Directory },
  router: ReturnType<Appservice["connect"]>["router"],
  livekitSip: LivekitSipEngine | undefined,
  readiness: () => Readiness,
): Promise<Listeners> => {
  const onRequest = metrics.httpRequest;
  const appservice = await startListener({
    app: createAppserviceApp({ router, onRequest, log }),
    listen: config.appservice.listen,
    configKey: "appservice.listen",
  });
  const tokens = config.api.tokens;
  const numberPlan = numberPlanOf(config);
  const webhook =
    livekitSip === undefined
      ? {}
      : { takeWebhook: (body: string, authorization: string) => livekitSip.takeWebhook(body, authorization) };
  const common = { metrics, readiness, onRequest, log, ...webhook };
  try {
    const api = await startListener({
      app: createApiApp({ calls, directory, numberPlan, tokens, idempotencyStore: store.idempotency, ...common }),
      listen: config.api.listen,
      configKey: "api.listen",
    });
    return { api, appservice };
  } catch (error) {
    await appservice.close(0);
    throw error;
  }
};
