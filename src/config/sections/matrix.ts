/** Homeserver, application service, bot, MatrixRTC. */
import { z } from "zod";
import { httpUrl, key, listen, pattern, serverName, text, url } from "../values.ts";

export const homeserver = z.strictObject({
  url: key(httpUrl(), "Client-server API of the homeserver, as the gateway reaches it.", {
    example: "http://127.0.0.1:8008",
  }),
  server_name: key(serverName(), "Name of the homeserver: what stands behind the colon in its users' ids.", {
    example: "example.org",
  }),
  registration_file: key(
    z.exactOptional(text("a file name")),
    "Registration of the application service: written by `mrtc-sip-gateway registration`, read by the homeserver and by the gateway (for both tokens). " +
      "Leave it out to give both tokens yourself.",
    { example: "registration.yaml", path: true, sample: "live" },
  ),
  as_token: key(
    text("a secret text"),
    "Token of the gateway at the homeserver. Either registration_file or both tokens.",
    { secret: true, example: "replace-me", sample: "comment" },
  ),
  hs_token: key(text("a secret text"), "Token of the homeserver at the gateway.", {
    secret: true,
    example: "replace-me",
    sample: "comment",
  }),
});

export const appservice = z
  .strictObject({
    listen: key(listen(9300), "Where the homeserver sends events."),
    url: key(
      z.exactOptional(httpUrl()),
      "Address of this listener as the homeserver reaches it; goes into the registration. Default: the address of `listen`.",
      { example: "http://127.0.0.1:9300" },
    ),
  })
  .prefault({});

export const bot = z
  .strictObject({
    localpart: key(
      pattern(/^[a-z0-9._=/-]+$/, "the part of a Matrix user id between @ and the colon").default("phone"),
      "The bot is `@LOCALPART:SERVER`: invite it into a room to use `!phone` there.",
    ),
    control_room: key(
      z.exactOptional(pattern(/^![^\s]+$/, "a room id, such as !abc:example.org")),
      "Room whose moderators may say whose a number is (`!phone bind`). The bot must be in it. Default: none.",
      { example: "!control:example.org" },
    ),
  })
  .prefault({});

export const rtc = z
  .strictObject({
    transport_url: key(
      z.exactOptional(url(["http:", "https:"])),
      "Token service (lk-jwt-service) to use when the homeserver names none. Byte for byte what Element Call uses.",
      { example: "https://matrix-rtc.example.org/livekit/jwt" },
    ),
  })
  .prefault({});

export const crypto = z
  .strictObject({
    key_file: key(
      text("a file name").default("crypto.key"),
      "Key that seals the cross-signing keys in the store. Made with mode 0600 when missing. Back it up with the store, but not beside it.",
      { path: true },
    ),
  })
  .prefault({});
