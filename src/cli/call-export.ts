import { API_DETAILS, API_OPTIONS, type CallBody, createApiClient } from "./api-client.ts";
import { type Command, expectPositionals, stringOption, UsageError } from "./command.ts";

/** Columns of the CSV, in this order; what comes later is added at the end. */
const COLUMNS = {
  call_id: (call) => call.call_id,
  created_at: (call) => call.created_at,
  answered_at: (call) => call.answered_at,
  ended_at: (call) => call.ended_at,
  duration_s: (call) => durationSeconds(call),
  direction: (call) => call.direction,
  number: (call) => call.number,
  number_class: (call) => call.number_class,
  person: (call) => call.person,
  room_id: (call) => call.room_id,
  added_by: ({ added_by: by }) => (by.type === "user" ? by.user_id : by.name),
  outcome: (call) => call.outcome,
  sip_status: (call) => call.cause?.sip_status,
  q850: (call) => call.cause?.q850,
  forwarded_to: (call) => call.forwarded_to,
  forwarded_from: (call) => call.forwarded_from,
} as const satisfies Record<string, (call: CallBody) => string | number | null | undefined>;

/** Seconds of talk; none for a call that was not answered or is still going on. */
const durationSeconds = ({ answered_at: answered, ended_at: ended }: CallBody): number | undefined =>
  answered === null || ended === null ? undefined : Math.round((Date.parse(ended) - Date.parse(answered)) / 1000);

/** RFC 4180. */
const cell = (value: string | number | null | undefined): string => {
  const text = value === null || value === undefined ? "" : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

export const csvHead = (): string => Object.keys(COLUMNS).join(",");
export const csvLine = (call: CallBody): string =>
  Object.values(COLUMNS)
    .map((column) => cell(column(call)))
    .join(",");

const FORMATS: ReadonlySet<string> = new Set(["csv", "jsonl"]);

export const callExport: Command = {
  name: "call export",
  summary: "Write call records as CSV or JSON lines, newest first",
  details: API_DETAILS,
  options: {
    format: { type: "string", value: "csv|jsonl", help: "default: csv" },
    since: { type: "string", value: "TIME", help: "calls from this time on, such as 2026-11-01T00:00:00Z" },
    until: { type: "string", value: "TIME", help: "calls before this time" },
    ...API_OPTIONS,
  },
  run: async (input, io) => {
    expectPositionals(input, []);
    const format = stringOption(input, "format") ?? "csv";
    if (!FORMATS.has(format)) throw new UsageError(`--format ${format}: expected csv or jsonl`);
    const query: Record<string, string> = {};
    for (const name of ["since", "until"] as const) {
      const time = stringOption(input, name);
      if (time !== undefined) query[name] = time;
    }
    const write = format === "csv" ? csvLine : (call: CallBody): string => JSON.stringify(call);
    if (format === "csv") io.out(csvHead());
    for await (const page of createApiClient(input, io).pages(query)) for (const call of page) io.out(write(call));
    return 0;
  },
};
