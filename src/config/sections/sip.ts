/** Trunks and the SIP engines behind them. */
import { z } from "zod";
import { LANGUAGES } from "../../numbering/language.ts";
import { dialable, flag, httpUrl, key, matrixUser, oneOf, pattern, secret, text, wholeNumber } from "../values.ts";
import { numberClass, numberPrefix } from "./dialling.ts";
import { trunkInbound } from "./inbound.ts";

const route = z
  .strictObject({
    class: key(z.exactOptional(numberClass()), "Class of the number.", { example: "national" }),
    prefix: key(z.exactOptional(numberPrefix()), "Beginning of the canonical number.", { example: "+33" }),
  })
  .refine((route) => (route.class === undefined) !== (route.prefix === undefined), {
    error: "expected either class or prefix",
  });

const DIAL_FORMATS = "e164, without-plus, national, or {prefix: DIGITS}";

const dialFormat = z.union(
  [
    z.enum(["e164", "without-plus", "national"]),
    z.strictObject({
      prefix: key(pattern(/^[0-9*#]{1,10}$/, "digits in quotes"), "Put before the number as people dial it."),
    }),
  ],
  { error: `expected ${DIAL_FORMATS}` },
);

const callerNumber = () =>
  z.union([z.literal("anonymous"), dialable()], {
    error: "expected a number as +33140506070, an extension as 1001 (both in quotes), or anonymous",
  });

const callerId = z.strictObject({
  default: key(
    callerNumber(),
    "Number that called phones see, one that the PBX and the provider accept; or `anonymous` (Privacy: id).",
    { example: "+33140506000" },
  ),
  users: key(
    z.record(matrixUser(), callerNumber()).default({}),
    "Numbers of single Matrix users, when they are the ones who add the phone.",
    { example: { "@alice:example.org": "+33140506001" } },
  ),
});

const trunkName = (example: string) =>
  key(
    pattern(/^[a-z0-9][a-z0-9-]{0,39}$/, "small letters, digits and dashes"),
    "Name of the trunk, in logs, metrics and the API.",
    { example },
  );

const trunkPrompts = z
  .strictObject({
    language: key(
      z.exactOptional(oneOf(LANGUAGES)),
      "Language for phones whose number does not tell one (an extension, a foreign country). Default: `menu.language`, else en.",
      { example: "fr" },
    ),
    folder: key(
      z.exactOptional(text("a folder")),
      "Folder with recordings of your own: `en/greeting.wav` and so on, as in src/media/prompts/. What is missing there is ours. Default: `menu.prompts`.",
      { example: "prompts", path: true },
    ),
  })
  .prefault({});

const trunkKeys = {
  routes: key(
    z.array(route).min(1, { error: "expected at least one route: without one no number goes through this trunk" }),
    "Which numbers go through this trunk. Trunks are tried from the first to the last; the next one only when this one does not answer or says 503.",
    { example: [{ class: "internal" }, { class: "national" }, { prefix: "+49" }] },
  ),
  dial_format: key(
    dialFormat.default("e164"),
    "How the PBX wants numbers: +33140506070, 33140506070, 0140506070, or digits put before the last form (an outside line). Extensions are dialled as they are.",
    { values: DIAL_FORMATS },
  ),
  caller_id: key(callerId, "Whom the called phone sees."),
  inbound: key(trunkInbound, "Calls of this trunk to us. Where they go: `dispatch_rules`."),
  prompts: key(trunkPrompts, "What phones of this trunk hear from us."),
};

const asteriskTrunk = z.strictObject({
  name: trunkName("pbx"),
  engine: key(z.literal("asterisk"), "SIP engine: `asterisk` or `livekit-sip`.", { example: "asterisk" }),
  asterisk: key(
    z.strictObject({
      endpoint: key(
        pattern(/^[A-Za-z0-9_.-]+$/, "the name of a PJSIP endpoint"),
        "PJSIP endpoint of the PBX in the gateway's Asterisk (pjsip.conf).",
        { example: "xivo" },
      ),
      codec: key(
        oneOf(["alaw", "ulaw", "slin16"]).default("alaw"),
        "Codec between Asterisk and the gateway: the one of the trunk, so that nothing is transcoded; slin16 for G.722.",
      ),
      early_media: key(
        oneOf(["ignore", "answer"]).default("ignore"),
        "What a called number says before it answers (183). answer: a person who calls it hears that, and Element Call shows the call as picked up from then on; ignore: Element Call rings.",
      ),
    }),
    "For `engine: asterisk`.",
  ),
  ...trunkKeys,
});

const livekitSipTrunk = z.strictObject({
  name: trunkName("pbx-over-livekit"),
  engine: key(z.literal("livekit-sip"), "SIP engine: `asterisk` or `livekit-sip`.", { example: "livekit-sip" }),
  livekit_sip: key(
    z
      .strictObject({
        address: key(pattern(/^[^\s:/@]+(:\d{1,5})?$/, "HOST or HOST:PORT, without sip:"), "Address of the PBX.", {
          example: "192.0.2.10:5060",
        }),
        numbers: key(
          z.array(dialable()).min(1, { error: "expected at least one number" }),
          "Numbers that may stand in the From header.",
          { example: ["+33140506000"] },
        ),
        transport: key(oneOf(["udp", "tcp", "tls"]).default("udp"), "SIP transport."),
        inbound_addresses: key(
          z.exactOptional(
            z
              .array(pattern(/^[^\s()+*;,]+$/, "an IP address, a network as 192.0.2.0/24, or a host name"))
              .min(1, { error: "expected at least one address: without one anybody could call in" }),
          ),
          "Whence the PBX calls us. Host names are looked up. Default: the host of `address`.",
          { example: ["192.0.2.10"] },
        ),
        inbound_numbers: key(
          z.array(dialable()).default([]),
          "Called numbers that LiveKit hands to us, as the PBX sends them. Default: all; only one trunk of a LiveKit can have that.",
          { example: ["8500"] },
        ),
        auth_username: key(z.exactOptional(text("a user name")), "For a PBX that asks for a password.", {
          example: "element",
        }),
        auth_password: key(z.exactOptional(text("a secret text")), "For a PBX that asks for a password.", {
          example: "replace-me",
          secret: true,
        }),
        media_encryption: key(
          oneOf(["disable", "require"]).default("disable"),
          "SRTP (SDES). Only sensible with `transport: tls`.",
        ),
      })
      .refine((trunk) => (trunk.auth_username === undefined) === (trunk.auth_password === undefined), {
        error: "expected both auth_username and auth_password, or none of them",
      }),
    "For `engine: livekit-sip`.",
  ),
  ...trunkKeys,
});

export const trunk = z.discriminatedUnion("engine", [asteriskTrunk, livekitSipTrunk]);

const isLoopback = (host: string): boolean => /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(host);

export const asterisk = z
  .strictObject({
    url: key(httpUrl(), "ARI of the gateway's Asterisk (http.conf), up to and with `/ari`.", {
      example: "http://127.0.0.1:8088/ari",
    }),
    username: key(text("a user name"), "User of ari.conf.", { example: "gateway" }),
    password: secret("Its password.", "replace-me"),
    app: key(
      pattern(/^[A-Za-z0-9_-]{1,40}$/, "letters, digits, _ and -, at most 40").default("mrtc-sip-gateway"),
      "Name of the ARI application: one per gateway.",
    ),
    allow_insecure: key(
      flag().default(false),
      "Plain http to an Asterisk on another machine: passwords and voice readable on the way.",
    ),
  })
  .refine(
    ({ url, allow_insecure: allowed }) => allowed || url.startsWith("https:") || isLoopback(new URL(url).hostname),
    {
      error: "expected https:// for an Asterisk on another machine (or asterisk.allow_insecure: true)",
      path: ["url"],
    },
  );

export const livekitSip = z.strictObject({
  url: key(httpUrl(), "livekit-server that livekit-sip is attached to; it needs `room.auto_create: true`.", {
    example: "http://127.0.0.1:7880",
  }),
  api_key: key(text("an API key"), "Key of livekit-server.", { example: "gateway" }),
  api_secret: secret("Its secret.", "replace-me"),
});

export const media = z
  .strictObject({
    sfu_client: key(
      oneOf(["auto", "light", "native"]).default("auto"),
      "How phones join the SFU. light: libdatachannel, a tenth of the CPU, UDP only; native: libwebrtc, also over TURN and TLS; auto: light, and native where that does not work.",
    ),
    g711_as: key(
      oneOf(["g711", "opus"]).default("g711"),
      "How the SFU gets the voice of a G.711 phone. g711: unchanged; opus: encoded once, with forward error correction for networks that lose packets (docs/capacity.md).",
    ),
    join_tones: key(
      flag().default(true),
      "Whether phones hear a short tone when somebody else joins or leaves the call, at most one a second. The conference does not hear it.",
    ),
    max_calls_per_worker: key(
      wholeNumber(1, 200).default(60),
      "Phones in one media worker process. Phones of one room stay together as long as they fit.",
    ),
    recycle_after_joins: key(
      wholeNumber(1, 100_000).default(200),
      "A worker that joined so many calls gets no new ones and ends with its last call (the WebRTC library leaks 0.5 MB per call).",
    ),
  })
  .prefault({});
