import { z } from "zod";
import {
  addCallSchema,
  callListSchema,
  callSchema,
  errorSchema,
  listCallsSchema,
  pressKeysSchema,
} from "./call-schema.ts";
import { entryListSchema, findEntriesSchema } from "./directory-schema.ts";
import { idempotencyKeySchema } from "./idempotency.ts";

type Json = Record<string, unknown>;

const jsonSchema = (schema: z.ZodType): Json => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, {
    target: "draft-2020-12",
    io: "input",
    unrepresentable: "any",
  });
  return rest;
};

const content = (name: string): Json => ({
  content: { "application/json": { schema: { $ref: `#/components/schemas/${name}` } } },
});

const answer = (description: string, name: string): Json => ({ description, ...content(name) });

const errors = (...statuses: readonly (readonly [status: number, description: string])[]): Json =>
  Object.fromEntries(
    [[401, "No valid token"] as const, ...statuses].map(([status, words]) => [String(status), answer(words, "Error")]),
  );

const pathId: Json = { name: "id", in: "path", required: true, schema: { type: "string" } };

const queryParameters = (query: z.ZodObject): Json[] =>
  Object.entries(query.shape).map(([name, schema]) => {
    const { description, default: standard, ...rest } = jsonSchema(schema as z.ZodType);
    const isLimit = name === "limit";
    return {
      name,
      in: "query",
      required: false,
      description,
      schema: isLimit ? { type: "integer", minimum: 1, maximum: 500, default: Number(standard) } : rest,
    };
  });

const paths = (): Json => ({
  "/api/v1/calls": {
    post: {
      operationId: "addCall",
      summary: "Add a phone to the live call of a room",
      parameters: [
        {
          name: "Idempotency-Key",
          in: "header",
          required: false,
          description: "The same key and body within a day: the same call, dialled once.",
          schema: jsonSchema(idempotencyKeySchema),
        },
      ],
      requestBody: { required: true, ...content("AddCall") },
      responses: {
        "201": answer("The call has been started, or was by an earlier request with this key", "Call"),
        ...errors(
          [400, "The request or the number is wrong"],
          [403, "Number not permitted, or bot or phone lack rights in the room"],
          [404, "No such room"],
          [409, "No live call in the room, or the number is in it already"],
          [422, "No trunk takes the number, or the key came with another request"],
          [429, "Too many attempts or calls"],
          [503, "Homeserver or trunk does not answer, or the gateway is being stopped"],
        ),
      },
    },
    get: {
      operationId: "listCalls",
      summary: "Calls, newest first",
      parameters: queryParameters(listCallsSchema),
      responses: { "200": answer("Calls", "CallList"), ...errors([400, "The query is wrong"]) },
    },
  },
  "/api/v1/calls/{id}/keys": {
    post: {
      operationId: "pressKeys",
      summary: "Press keys towards the phone",
      parameters: [pathId],
      requestBody: { required: true, ...content("PressKeys") },
      responses: {
        "200": answer("The call; the keys are on their way", "Call"),
        ...errors(
          [400, "The keys are wrong"],
          [403, "Somebody else added it"],
          [404, "No such call, or it does not run"],
        ),
      },
    },
  },
  "/api/v1/directory": {
    get: {
      operationId: "findEntries",
      summary: "Whose a number is, or what numbers a user has",
      parameters: queryParameters(findEntriesSchema),
      responses: {
        "200": answer("What the directory says", "EntryList"),
        ...errors([400, "The query or the number is wrong"]),
      },
    },
  },
  "/api/v1/calls/{id}": {
    get: {
      operationId: "getCall",
      summary: "One call",
      parameters: [pathId],
      responses: { "200": answer("The call", "Call"), ...errors([404, "No such call"]) },
    },
    delete: {
      operationId: "hangUpCall",
      summary: "Hang up",
      parameters: [pathId],
      responses: {
        "200": answer("The call, which is ending", "Call"),
        ...errors([403, "Somebody else added it"], [404, "No such call"]),
      },
    },
  },
});

/** OpenAPI 3.1 of the API, made from the schemas that parse and build its bodies. */
export const openApiDocument = (): Json => ({
  openapi: "3.1.0",
  info: {
    title: "matrixrtc-sip-gateway",
    version: "1",
    description: "Adds phones to calls of Element Call. What a token may dial is up to the gateway's policy.",
    license: { name: "Apache-2.0", identifier: "Apache-2.0" },
  },
  security: [{ token: [] }],
  paths: paths(),
  components: {
    securitySchemes: { token: { type: "http", scheme: "bearer" } },
    schemas: {
      AddCall: jsonSchema(addCallSchema),
      PressKeys: jsonSchema(pressKeysSchema),
      Call: jsonSchema(callSchema),
      CallList: jsonSchema(callListSchema),
      EntryList: jsonSchema(entryListSchema),
      Error: jsonSchema(errorSchema),
    },
  },
});
