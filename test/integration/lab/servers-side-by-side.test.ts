import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type Lab, startLab } from "../../../deploy/lab/lab.ts";
import { runPhoneCommand } from "../../../deploy/lab/phones/console.ts";

const labs: Lab[] = [];

// Two cores may be shared with browsers and compilers; every wait inside has its own, shorter limit.
jest.setTimeout(60_000);

beforeAll(async () => {
  labs.push(
    ...(await Promise.all([startLab({ parts: ["redis", "phones"] }), startLab({ parts: ["redis", "phones"] })])),
  );
}, 600_000);

afterAll(() => Promise.all(labs.map((lab) => lab.stop())));

test("two labs share no folder and no port", () => {
  const [first, second] = labs.map((lab) => JSON.stringify(lab.ports).match(/\d{4,}/g)!);
  expect(first!.filter((port) => second!.includes(port))).toEqual(["1001", "1002"]);
  expect(labs[0]!.folder).not.toBe(labs[1]!.folder);
});

test("calls in both at once stay apart, and stopping one leaves the other's call up", async () => {
  for (const { phones } of labs) {
    phones["1002"].answerMode = "auto";
    await phones["1001"].dial("1002");
  }
  for (const { phones } of labs) await phones["1001"].waitForEstablished();
  const [first, second] = labs;
  await first!.stop();
  await expect(second!.pbx.cli("core show channels count")).resolves.toContain("2 active channels");
  expect(second!.phones["1001"].state).toBe("established");
});

test("a part that was not started is named", () => {
  expect(() => labs[1]!.homeserver).toThrow("this lab was started without synapse");
});

test("phones do what a person types", async () => {
  const { phones, pbx } = labs[1]!;
  const type = (line: string) => runPhoneCommand(phones, pbx.soundsFolder, line);
  await type("1002 hangup");
  await phones["1001"].waitForClosed();
  await type("1002 manual");
  await type("1001 dial 1002");
  await phones["1002"].waitForRinging();
  await type("1002 answer");
  await phones["1001"].waitForEstablished();
  await type("1001 press 7*");
  await phones["1002"].waitForKeys("7*");
  await expect(type("1001 speak")).resolves.toBe("1001 speak: done");
  await expect(type("1001 state")).resolves.toMatch(/^1001 is established; hears: .*-dec\.wav$/);
  await expect(type("1003 answer")).rejects.toThrow("there is no phone 1003; try: 1001, 1002");
  await expect(type("1001 dance")).rejects.toThrow('a phone cannot "dance"');
});

test("a server that does not start shows the end of its log, and nothing keeps running", async () => {
  const folder = await mkdtemp(join(tmpdir(), "mrtc-lab-broken-"));
  const registration = join(folder, "registration.yaml");
  await writeFile(registration, "id: broken\n");
  const starting = startLab({ parts: ["redis", "synapse"], folder, registrationFiles: [registration] });
  await expect(starting).rejects.toThrow(/synapse did not start: it exited[^]*as_token[^]*what to do: /);
  await rm(folder, { recursive: true });
});
