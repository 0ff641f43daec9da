import { createHash, timingSafeEqual } from "node:crypto";
import { json, Router, type ErrorRequestHandler, type RequestHandler } from "express";
import { toGatewayError } from "../../errors.ts";
import type { Log } from "../../log.ts";
import { maskGhosts } from "../mask.ts";
import { parseTransaction, type AppserviceEvent } from "./events.ts";
import { PSTN_PROTOCOL, type ThirdParty } from "./third-party.ts";
import { createRoomQueues } from "./room-queues.ts";

/** Ids of transactions that were taken (store/). A homeserver repeats a transaction until it is answered, also after our restart. */
export interface TransactionLog {
  has(id: string): boolean;
  add(id: string): void;
}

export interface AppserviceRouterDeps {
  readonly hsToken: string;
  readonly transactionLog: TransactionLog;
  /** One event; those of one room come one after the other. What it throws is logged. */
  readonly onEvent: (event: AppserviceEvent) => Promise<void>;
  /** Whether this user id is the one of a number. */
  readonly hasUser: (user: string) => boolean;
  readonly thirdParty: ThirdParty;
  /** How many events of a transaction were malformed. */
  readonly onMalformed: (count: number) => void;
  readonly log: Log;
}

/** 100 events of 64 KiB each is the most that Synapse sends at once. */
const MAX_BODY = "20mb";

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

const requireToken = (hsToken: string): RequestHandler => {
  const expected = digest(hsToken);
  return (request, response, next) => {
    const [scheme, token] = (request.headers.authorization ?? "").split(" ");
    if (scheme?.toLowerCase() !== "bearer" || token === undefined) {
      response.status(401).json({ errcode: "M_MISSING_TOKEN", error: "Give the hs_token as a bearer token" });
    } else if (!timingSafeEqual(digest(token), expected)) {
      response.status(403).json({ errcode: "M_FORBIDDEN", error: "This is not the hs_token of the registration" });
    } else next();
  };
};

const notFound: RequestHandler = (_, response) => {
  response.status(404).json({ errcode: "M_NOT_FOUND", error: "Not here" });
};

const badRequest: ErrorRequestHandler = (error: unknown, _request, response, next) => {
  if (response.headersSent) next(error);
  else response.status(400).json({ errcode: "M_NOT_JSON", error: "The body cannot be read" });
};

/**
 * The application service API that the homeserver calls, to be mounted at the root. Transactions are answered as soon as their id is
 * stored; their events are handled after that.
 */
export const createAppserviceRouter = (deps: AppserviceRouterDeps): Router => {
  const { transactionLog, log } = deps;
  const enqueue = createRoomQueues();

  const handle = async (event: AppserviceEvent): Promise<void> => {
    try {
      await deps.onEvent(event);
    } catch (thrown) {
      const { code, message } = toGatewayError(thrown);
      log.error({ code, eventType: event.type, roomId: event.roomId }, `event not handled: ${maskGhosts(message)}`);
    }
  };

  const router = Router();
  router.use("/_matrix/app/v1", requireToken(deps.hsToken), json({ limit: MAX_BODY, type: () => true }));
  router.put("/_matrix/app/v1/transactions/:id", (request, response) => {
    const { id } = request.params;
    if (!transactionLog.has(id)) {
      const { events, malformed } = parseTransaction(request.body);
      transactionLog.add(id);
      if (malformed > 0) {
        log.warn({ transaction: id, malformed }, "malformed events in a transaction");
        deps.onMalformed(malformed);
      }
      for (const event of events) enqueue(event.roomId, () => handle(event));
    }
    response.json({});
  });
  router.get("/_matrix/app/v1/users/:user", (request, response, next) => {
    if (deps.hasUser(request.params.user)) response.json({});
    else void notFound(request, response, next);
  });
  router.get("/_matrix/app/v1/rooms/:alias", notFound);
  router.get(`/_matrix/app/v1/thirdparty/protocol/${PSTN_PROTOCOL}`, (_, response) => {
    response.json(deps.thirdParty.protocol);
  });
  router.get(`/_matrix/app/v1/thirdparty/user/${PSTN_PROTOCOL}`, (request, response) => {
    response.json(deps.thirdParty.users(request.query));
  });
  router.post("/_matrix/app/v1/ping", (_, response) => {
    response.json({});
  });
  router.use("/_matrix/app/v1", badRequest);
  return router;
};
