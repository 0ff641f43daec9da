import express, { type Express } from "express";

/** One request that was answered; for metrics. */
export interface AnsweredRequest {
  readonly listener: string;
  readonly method: string;
  /** Pattern of the route that answered, `none` where there was none. */
  readonly route: string;
  readonly status: number;
  readonly seconds: number;
}

export interface BaseAppOptions {
  readonly listener: string;
  readonly onRequest: (request: AnsweredRequest) => void;
}

/** Methods that have a name of their own in the metrics; a client can send any word. */
const METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"]);

/** An express application with what both listeners need: headers for browsers that stray here, and one measurement per request. */
export const createBaseApp = ({ listener, onRequest }: BaseAppOptions): Express => {
  const app = express();
  app.disable("x-powered-by");
  app.disable("etag");
  app.set("query parser", "simple");
  app.use((request, response, next) => {
    const startedMs = performance.now();
    response.set({
      "Cache-Control": "no-store",
      "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
      "Referrer-Policy": "no-referrer",
      "X-Content-Type-Options": "nosniff",
    });
    response.once("close", () => {
      // There once a route has matched. (baseUrl is reset behind an error, so routers stand at the root.)
      const route = (request.route as { path?: unknown } | undefined)?.path;
      onRequest({
        listener,
        method: METHODS.has(request.method) ? request.method : "other",
        route: typeof route === "string" ? route : "none",
        status: response.statusCode,
        seconds: (performance.now() - startedMs) / 1000,
      });
    });
    next();
  });
  return app;
};
