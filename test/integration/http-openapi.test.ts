import { describe, expect, test } from "@jest/globals";
import { z } from "zod";
import { startApi, TOKENS } from "./http-support.ts";

const addCall = { room_id: "!room:example.org", number: "+33140506070" };

describe("OpenAPI", () => {
  interface Operation {
    readonly responses: Readonly<
      Record<
        string,
        { readonly content: { readonly "application/json": { readonly schema: { readonly $ref: string } } } }
      >
    >;
  }
  interface Document {
    readonly openapi: string;
    readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
    readonly components: { readonly schemas: Readonly<Record<string, Parameters<typeof z.fromJSONSchema>[0]>> };
  }

  test("describes every answer there is, for every operation", async () => {
    await using api = await startApi();
    const headers = { authorization: "" };
    const document = (await api.request("GET", "/api/v1/openapi.json", { headers })).body as unknown as Document;
    expect(document.openapi).toBe("3.1.0");
    await api.request("POST", "/api/v1/calls", { body: addCall });
    const tries: readonly [string, string, string, { body?: unknown; headers?: Record<string, string> }][] = [
      ["post", "/api/v1/calls", "", { body: addCall }],
      ["post", "/api/v1/calls", "", { body: {} }],
      ["post", "/api/v1/calls", "", { body: addCall, headers }],
      ["get", "/api/v1/calls", "", {}],
      ["get", "/api/v1/calls", "?limit=x", {}],
      ["get", "/api/v1/calls/{id}", "call-1", {}],
      ["get", "/api/v1/calls/{id}", "none", {}],
      ["get", "/api/v1/directory", "?number=1002", {}],
      ["get", "/api/v1/directory", "", {}],
      ["get", "/api/v1/directory", "?number=1002", { headers }],
      ["post", "/api/v1/calls/{id}/keys", "call-1", { body: { keys: "123#" } }],
      ["post", "/api/v1/calls/{id}/keys", "call-1", { body: { keys: "abc" } }],
      ["post", "/api/v1/calls/{id}/keys", "none", { body: { keys: "1" } }],
      ["delete", "/api/v1/calls/{id}", "call-1", {}],
      ["delete", "/api/v1/calls/{id}", "call-2", { headers: { authorization: `Bearer ${TOKENS[1]?.token}` } }],
    ];
    const documented = Object.entries(document.paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method} ${path}`),
    );
    expect(new Set(tries.map(([method, path]) => `${method} ${path}`))).toEqual(new Set(documented));
    for (const [method, path, rest, options] of tries) {
      const answer = await api.request(
        method.toUpperCase(),
        path.includes("{id}") ? path.replace("{id}", rest) : path + rest,
        options,
      );
      const reference =
        document.paths[path]?.[method]?.responses[String(answer.status)]?.content["application/json"].schema.$ref;
      const schema = document.components.schemas[reference?.split("/").at(-1) ?? ""];
      expect([method, path, answer.status, schema !== undefined]).toEqual([method, path, answer.status, true]);
      expect(z.fromJSONSchema(schema ?? {}).safeParse(answer.body).error?.issues ?? []).toEqual([]);
    }
  });

  test("its schemas refuse what the API refuses", async () => {
    await using api = await startApi();
    const document = (await api.request("GET", "/api/v1/openapi.json")).body as unknown as Document;
    const schema = z.fromJSONSchema(document.components.schemas["AddCall"] ?? {});
    expect(schema.safeParse(addCall).success).toBe(true);
    for (const wrong of [{}, { ...addCall, x: 1 }, { ...addCall, room_id: "#a:b" }, { ...addCall, number: 1 }])
      expect(schema.safeParse(wrong).success).toBe(false);
  });
});
