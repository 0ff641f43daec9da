/* oxlint-disable oxc/no-async-endpoint-handlers -- express 5 hands rejections to the error handler */
import { json, type Response, Router } from "express";
import type { CallRecord, CallService, Subject } from "../calls/ports.ts";
import { GatewayError } from "../errors.ts";
import { callId, roomId } from "../ids.ts";
import { type ApiToken, requireToken, tokenNameOf } from "./bearer.ts";
import {
  addCallSchema,
  callBody,
  callFilterOf,
  callListBody,
  listCallsSchema,
  pressKeysSchema,
} from "./call-schema.ts";
import { createIdempotency, idempotencyKeySchema, type IdempotencyStore } from "./idempotency.ts";
import { openApiDocument } from "./openapi.ts";
import { parse } from "./parse.ts";

export interface CallsApiDeps {
  readonly calls: Pick<CallService, "add" | "get" | "list" | "waitingPhones" | "hangup" | "press">;
  readonly tokens: readonly ApiToken[];
  readonly idempotencyStore: IdempotencyStore;
}

const BASE = "/api/v1";
const MAX_BODY = "100kb";

const subjectOf = (response: Response): Subject => ({ kind: "token", name: tokenNameOf(response) });

/** Add, watch and end calls. Mounted at the root: routes with their whole path name themselves in metrics. */
export const createCallsApi = ({ calls, tokens, idempotencyStore }: CallsApiDeps): Router => {
  const idempotency = createIdempotency(idempotencyStore);
  const document = openApiDocument();
  const router = Router();

  const find = (id: string): CallRecord => {
    const call = calls.get(callId(id));
    if (call === undefined) throw new GatewayError("CALL_NOT_FOUND", "There is no such call");
    return call;
  };

  router.get(`${BASE}/openapi.json`, (_, response) => {
    response.json(document);
  });
  // The token first: nobody else's body is read.
  router.use(BASE, requireToken(tokens), json({ limit: MAX_BODY }));

  router.post(`${BASE}/calls`, async (request, response) => {
    const body = parse(addCallSchema, request.body, "The body must be JSON with room_id and number");
    const subject = subjectOf(response);
    const { number, confirm } = body;
    const how = { via: "api" as const, ...(confirm === undefined ? {} : { confirm }) };
    const add = () => calls.add({ roomId: roomId(body.room_id), number, subject, ...how });
    const header = request.get("Idempotency-Key");
    let call: CallRecord;
    if (header === undefined) call = await add();
    else {
      const key = parse(idempotencyKeySchema, header, "Idempotency-Key");
      const tokenName = tokenNameOf(response);
      const { callId: id, isRepeat } = await idempotency.once(
        { tokenName, key, request: body },
        async () => (await add()).callId,
      );
      if (isRepeat) response.set("Idempotent-Replayed", "true");
      call = find(id);
    }
    response.status(201).location(`${BASE}/calls/${call.callId}`).json(callBody(call));
  });

  router.get(`${BASE}/calls`, (request, response) => {
    const query = parse(listCallsSchema, request.query, "The query is wrong");
    const filter = callFilterOf(query);
    response.json(callListBody(calls.list(filter), calls.waitingPhones(filter.roomId), query.limit));
  });

  router.get(`${BASE}/calls/:id`, (request, response) => {
    response.json(callBody(find(request.params.id)));
  });

  router.post(`${BASE}/calls/:id/keys`, async (request, response) => {
    const { callId: id } = find(request.params.id);
    const { keys } = parse(pressKeysSchema, request.body, "The body must be JSON with keys");
    await calls.press({ callId: id, subject: subjectOf(response), keys });
    response.json(callBody(find(id)));
  });

  router.delete(`${BASE}/calls/:id`, async (request, response) => {
    const { callId: id } = find(request.params.id);
    response.json(callBody(await calls.hangup({ callId: id, subject: subjectOf(response) })));
  });

  return router;
};
