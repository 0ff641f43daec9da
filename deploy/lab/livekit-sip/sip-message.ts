/** SIP messages (RFC 3261 section 7) as far as the stand-in speaks them: UDP, one Via, no folding. */
export interface SipMessage {
  /** `INVITE sip:x SIP/2.0` or `SIP/2.0 200 OK`. */
  readonly startLine: string;
  /** Lower-case names, in order of appearance. */
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
}

const COMPACT: Readonly<Record<string, string>> = {
  v: "via",
  f: "from",
  t: "to",
  i: "call-id",
  m: "contact",
  l: "content-length",
  c: "content-type",
  k: "supported",
};

export const parseSip = (datagram: Buffer): SipMessage | undefined => {
  const text = datagram.toString("utf8");
  const split = text.indexOf("\r\n\r\n");
  if (split < 0) return undefined;
  const [startLine, ...lines] = text.slice(0, split).split("\r\n");
  if (startLine === undefined || !startLine.includes("SIP/2.0")) return undefined;
  const headers = lines.flatMap((line): [string, string][] => {
    const colon = line.indexOf(":");
    if (colon < 1) return [];
    const name = line.slice(0, colon).trim().toLowerCase();
    return [[COMPACT[name] ?? name, line.slice(colon + 1).trim()]];
  });
  return { startLine, headers, body: text.slice(split + 4) };
};

export const header = (message: SipMessage, name: string): string =>
  message.headers.find(([candidate]) => candidate === name)?.[1] ?? "";

export const formatSip = (startLine: string, headers: readonly (readonly [string, string])[], body = ""): Buffer =>
  Buffer.from(
    [
      startLine,
      ...headers.map(([name, value]) => `${name}: ${value}`),
      `Content-Length: ${Buffer.byteLength(body)}`,
      "",
      body,
    ].join("\r\n"),
  );

const COPIED: ReadonlySet<string> = new Set(["via", "from", "to", "call-id", "cseq"]);

export interface ResponseOptions {
  /** To header with our tag, for a request that has none there yet. */
  readonly to?: string;
  readonly extra?: readonly (readonly [string, string])[];
  readonly body?: string;
}

/** The response to a request (RFC 3261 section 8.2.6.2). `status`: "200 OK". */
export const formatResponse = (
  request: SipMessage,
  status: string,
  { to, extra = [], body = "" }: ResponseOptions = {},
): Buffer => {
  const copied = request.headers
    .filter(([name]) => COPIED.has(name))
    .map(([name, value]) => [name, name === "to" && !value.includes(";tag=") ? (to ?? value) : value] as const);
  return formatSip(`SIP/2.0 ${status}`, [...copied, ...extra], body);
};

/** Status code of a response, or undefined for a request. */
export const statusOf = (message: SipMessage): number | undefined => {
  const match = /^SIP\/2\.0 (\d{3})/.exec(message.startLine);
  return match?.[1] === undefined ? undefined : Number(match[1]);
};

/** Method of the request, or of the request that a response answers. */
export const methodOf = (message: SipMessage): string =>
  statusOf(message) === undefined
    ? (message.startLine.split(" ")[0] ?? "")
    : (header(message, "cseq").split(/\s+/)[1] ?? "");

/** The URI inside `"name" <sip:...>;tag=x`, or the bare URI. */
export const uriOf = (value: string): string => /<([^>]+)>/.exec(value)?.[1] ?? value.split(";")[0] ?? value;
