import { API_DETAILS, API_OPTIONS, type CallBody, createApiClient } from "./api-client.ts";
import { type Command, expectPositionals, type Input, type Io, stringOption, UsageError } from "./command.ts";

const stateOf = (call: CallBody): string => (call.outcome === null ? call.state : `${call.state} (${call.outcome})`);

const table = (calls: readonly CallBody[]): string => {
  const rows = [
    ["CALL", "NUMBER", "STATE", "SINCE", "ROOM"],
    ...calls.map((call) => [call.call_id, call.number, stateOf(call), call.created_at, call.room_id]),
  ];
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
};

const show = (input: Input, io: Io, call: CallBody): void =>
  io.out(input.values["json"] === true ? JSON.stringify(call, null, 2) : `${call.call_id} ${stateOf(call)}`);

const ROOM_OPTION = { type: "string", value: "ROOM", help: "room id, such as !abc:example.org" } as const;

export const callAdd: Command = {
  name: "call add",
  args: "NUMBER",
  summary: "Add a phone to the live call of a room",
  details: API_DETAILS,
  options: { room: ROOM_OPTION, ...API_OPTIONS },
  run: async (input, io) => {
    // Numbers may be typed with spaces.
    if (input.positionals.length === 0) throw new UsageError("NUMBER is missing");
    const room = stringOption(input, "room");
    if (room === undefined) throw new UsageError("--room is missing");
    show(input, io, await createApiClient(input, io).add(room, input.positionals.join(" ")));
    return 0;
  },
};

export const callList: Command = {
  name: "call list",
  summary: "List calls, newest first",
  details: API_DETAILS,
  options: { room: ROOM_OPTION, ...API_OPTIONS },
  run: async (input, io) => {
    expectPositionals(input, []);
    const calls = await createApiClient(input, io).list(stringOption(input, "room"));
    io.out(input.values["json"] === true ? JSON.stringify(calls, null, 2) : table(calls));
    return 0;
  },
};

export const callHangup: Command = {
  name: "call hangup",
  args: "CALL",
  summary: "End a call",
  details: API_DETAILS,
  options: API_OPTIONS,
  run: async (input, io) => {
    const [call] = expectPositionals(input, ["CALL"]);
    show(input, io, await createApiClient(input, io).hangup(call));
    return 0;
  },
};
