import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { TONES_HZ, writeToneWav } from "../audio/tone.ts";
import { type LabContext, launch, logFileOf, repositoryFile } from "../context.ts";
import { installBaresip } from "../install/baresip.ts";
import { fillPlaces } from "../overlay.ts";
import { createPhone, type LabPhone } from "../phones/phone.ts";
import { poll } from "../process.ts";

export type PhoneNumber = "1001" | "1002";

/** Both desk phones, registered at the PBX. */
export async function startPhones(context: LabContext): Promise<Record<PhoneNumber, LabPhone>> {
  const command = await installBaresip(context.progress);
  const [first, second] = await Promise.all([
    startPhone(context, command, "1001"),
    startPhone(context, command, "1002"),
  ]);
  return { "1001": first, "1002": second };
}

async function startPhone(context: LabContext, command: string, number: PhoneNumber): Promise<LabPhone> {
  const ports = context.ports.phones[number];
  const folder = join(context.folder, `phone-${number}`);
  const recordings = join(folder, "recordings");
  const speaks = join(folder, "tone.wav");
  await mkdir(recordings, { recursive: true });
  // baresip hangs up when the file ends; 8 kHz mono because a file must fit the codec exactly.
  const toneHz = TONES_HZ[number];
  await writeToneWav(speaks, { frequencyHz: toneHz, sampleRateHz: 8000, levelDbfs: -20, seconds: 1200 });
  const template = await readFile(repositoryFile("deploy/lab/phones/baresip.conf"), "utf8");
  const values = {
    sip: ports.sip,
    control: ports.control,
    rtpStart: ports.rtp.start,
    rtpEnd: ports.rtp.end,
    speaks,
    recordings,
    modules: "/usr/lib/baresip/modules",
  };
  await writeFile(join(folder, "config"), fillPlaces(template, values));
  const pbx = `127.0.0.1:${context.ports.pbxSip}`;
  const settings = "answermode=manual;regint=600;audio_codecs=PCMA/8000/1;dtmfmode=rtpevent";
  await writeFile(
    join(folder, "accounts"),
    `<sip:${number}@${pbx};transport=udp>;auth_user=${number};auth_pass=lab-${number};${settings}\n`,
  );
  await writeFile(join(folder, "contacts"), "");

  let phone: Awaited<ReturnType<typeof createPhone>> | undefined;
  await launch(context, {
    name: `phone-${number}`,
    command,
    args: ["-f", folder, "-s"],
    logFile: logFileOf(context.folder, `phone-${number}`),
    ready: (signal) =>
      poll(signal, async () => {
        phone ??= await createPhone({ number, toneHz, controlPort: ports.control, recordings, toneWav: speaks });
        return phone.isRegistered();
      }),
    hint: `it did not register at the PBX (${pbx}): see also pbx.log beside its log`,
    stopGraceMs: 1000,
  });
  return phone!;
}
