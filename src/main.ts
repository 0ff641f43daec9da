#!/usr/bin/env node
import { runCli } from "./cli/run.ts";

const code = await runCli(process.argv.slice(2), {
  out: (text) => console.log(text),
  err: (text) => console.error(text),
  environment: process.env,
});
// Not only the exit code: the SDKs leave timers and threads behind that would keep the process for minutes.
process.exit(code);
