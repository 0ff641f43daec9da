import { join } from "node:path";
import { createInterface } from "node:readline";

import type { LabPhone } from "./phone.ts";

/** What a person types to use the lab's phones while `npm run lab` or `npm run demo -- --keep` runs. */
export const PHONE_COMMANDS = `Phones, typed here:
  1001 dial 1002          calls a desk, a number (+33140506070) or the gateway (2000)
  1001 answer             also: hangup, auto (answers by itself), manual, hold, resume
  1001 press 12#          presses keys
  1001 speak FILE         says a WAV file of 8 kHz; without FILE a few English sentences
  1001 state              what it does, and where the recording of what it hears is`;

/**
 * Runs one line as above; resolves with what to show. Throws on an unknown phone or command, and with the phone's reason
 * when it cannot do it now.
 */
export async function runPhoneCommand(
  phones: Readonly<Record<string, LabPhone>>,
  soundsFolder: string,
  line: string,
): Promise<string> {
  const [number = "", verb = "", ...rest] = line.trim().split(/\s+/);
  const phone = phones[number];
  if (phone === undefined) throw new Error(`there is no phone ${number}; try: ${Object.keys(phones).join(", ")}`);
  const argument = rest.join(" ");
  switch (verb) {
    case "dial":
      await phone.dial(argument);
      break;
    case "answer":
      await phone.answer();
      break;
    case "hangup":
      await phone.hangup();
      break;
    case "hold":
      await phone.hold();
      break;
    case "resume":
      await phone.resume();
      break;
    case "press":
      await phone.press(argument);
      break;
    case "speak":
      await phone.speak(argument === "" ? join(soundsFolder, "demo-congrats.wav") : argument);
      break;
    case "auto":
    case "manual":
      phone.answerMode = verb;
      break;
    case "state":
      return `${number} is ${phone.state}; hears: ${await phone.heardWav().catch(() => "nothing yet")}`;
    default:
      throw new Error(`a phone cannot "${verb}"\n${PHONE_COMMANDS}`);
  }
  return `${number} ${verb}: done`;
}

/** Takes phone commands from the terminal, one a line, until the returned function is called. */
export function listenForPhoneCommands(phones: Readonly<Record<string, LabPhone>>, soundsFolder: string): () => void {
  const terminal = createInterface({ input: process.stdin });
  terminal.on("line", (line) => {
    if (line.trim() === "") return;
    runPhoneCommand(phones, soundsFolder, line).then(console.log, (error: unknown) =>
      console.log(error instanceof Error ? error.message : error),
    );
  });
  return () => terminal.close();
}
