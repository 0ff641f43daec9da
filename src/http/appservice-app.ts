import type { Express, Router } from "express";
import type { Log } from "../log.ts";
import { type AnsweredRequest, createBaseApp } from "./base-app.ts";
import { handleErrors, handleUnknownRoute, MATRIX_CODES } from "./errors.ts";

export interface AppserviceAppDeps {
  /** The application service API (matrix/appservice): checks the hs_token and reads bodies itself, in this order. */
  readonly router: Router;
  readonly onRequest: (request: AnsweredRequest) => void;
  readonly log: Log;
}

/** The listener for the homeserver. */
export const createAppserviceApp = ({ router, onRequest, log }: AppserviceAppDeps): Express => {
  const app = createBaseApp({ listener: "appservice", onRequest });
  app.use(router);
  app.use(handleUnknownRoute(MATRIX_CODES));
  app.use(handleErrors(MATRIX_CODES, log));
  return app;
};
