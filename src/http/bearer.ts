import { createHash, timingSafeEqual } from "node:crypto";
import type { RequestHandler, Response } from "express";
import { GatewayError } from "../errors.ts";

export interface ApiToken {
  readonly name: string;
  readonly token: string;
}

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

/** Name of the token that came with a request. */
export const tokenNameOf = (response: Response): string => (response.locals as { tokenName: string }).tokenName;

/** Lets requests with a known bearer token pass. Every token is compared, in constant time: the answer's delay tells nothing. */
export const requireToken = (tokens: readonly ApiToken[]): RequestHandler => {
  const known = tokens.map(({ name, token }) => ({ name, digest: digest(token) }));
  return (request, response, next) => {
    const [scheme, given] = (request.headers.authorization ?? "").split(" ");
    const sent = digest(scheme?.toLowerCase() === "bearer" ? (given ?? "") : "");
    const found = known.filter((token) => timingSafeEqual(token.digest, sent)).at(0);
    if (found === undefined || !given) {
      throw new GatewayError("UNAUTHORIZED", "Send a token of api.tokens: Authorization: Bearer TOKEN");
    }
    response.locals["tokenName"] = found.name;
    next();
  };
};
