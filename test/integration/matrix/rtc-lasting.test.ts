import { expect, test } from "@jest/globals";
import { RoomStateEvent, type MatrixEvent } from "matrix-js-sdk";
import type { RoomId } from "../../../src/ids.ts";
import { MEMBER_STATE_EVENT } from "../../../src/matrix/rtc/member-events.ts";
import { createRecorder } from "../../support/recorder.ts";
import type { Member } from "../../support/matrix/member.ts";
import {
  createCallRoom,
  createTestGateway,
  deviceOf,
  newCall,
  type RtcLab,
  type TestGateway,
} from "../../support/matrix/rtc-lab.ts";
import { useRtcLab } from "../../support/matrix/use-rtc-lab.ts";

let rtcLab: RtcLab;
let gateway: TestGateway;
let alice: Member;
let room: RoomId;

const { newMember } = useRtcLab((started) => {
  rtcLab = started;
});

const startCall = async (options: Parameters<typeof createTestGateway>[1] = {}): Promise<void> => {
  alice = await newMember("alice");
  room = await createCallRoom(rtcLab, { creator: alice.user, encrypted: true, name: "Call" });
  gateway = createTestGateway(rtcLab, options);
  await alice.join(room);
};

test("many calls, one after the other, leave no timer, listener or session behind", async () => {
  await startCall();
  const cycle = async (): Promise<void> => {
    const call = newCall(room, rtcLab.newGhost());
    const { identity } = await gateway.rtc.prepare(call.request, (fact) => call.facts.push(fact));
    await gateway.rtc.publish(call.request.callId);
    await gateway.keys.next("own key", (key) => key.identity === identity);
    await gateway.rtc.leave(call.request.callId);
  };
  for (let calls = 0; calls < 15; calls += 1) await cycle();
  await alice[Symbol.asyncDispose]();
  // A session that lives on has a /sync waiting; unused connections are closed by fetch after 4 s.
  const sockets = (): number => process.getActiveResourcesInfo().filter((kind) => kind.startsWith("TCP")).length;
  const untilMs = performance.now() + 20_000;
  while (sockets() > 0 && performance.now() < untilMs) await new Promise((resolve) => setTimeout(resolve, 100));
  expect(sockets()).toBe(0);
}, 180_000);

test("without delayed events a membership is valid for ten minutes only", async () => {
  await startCall({ delayedEventsSupported: () => false });
  const call = newCall(room, rtcLab.newGhost());
  await gateway.rtc.prepare(call.request, (fact) => call.facts.push(fact));
  await gateway.rtc.publish(call.request.callId);
  const [member] = await rtcLab.stateOf(room, call.request.ghost);
  expect(member?.content["expires"]).toBe(600_000);
  expect(await rtcLab.delayedOf(call.request.ghost)).toEqual([]);
  await gateway.rtc.leave(call.request.callId);
}, 60_000);

test("a session outlives a restart of the homeserver that has ended its membership", async () => {
  await startCall();
  const call = newCall(room, rtcLab.newGhost());
  const { identity } = await gateway.rtc.prepare(call.request, (fact) => call.facts.push(fact));
  await gateway.rtc.publish(call.request.callId);
  await alice.members.next("the phone", (identities) => identities.includes(identity));
  const memberships = createRecorder<MatrixEvent>();
  alice.client.on(RoomStateEvent.Events, (event) => {
    if (event.getSender() === call.request.ghost && event.getType() === MEMBER_STATE_EVENT) memberships.push(event);
  });
  const synapse = rtcLab.lab.process("synapse");
  await synapse.stop();
  // Longer than the delayed leave: Synapse sends it when it comes back.
  await new Promise((resolve) => setTimeout(resolve, 20_000));
  await synapse.startAgain();
  try {
    await memberships.next("the phone again", (event) => Object.keys(event.getContent()).length > 0, 90_000);
    const live = await rtcLab.stateOf(room, call.request.ghost);
    expect(live.map(({ content }) => Object.keys(content).length > 0)).toEqual([true]);
    expect(await rtcLab.delayedOf(call.request.ghost)).toHaveLength(1);
    expect(call.facts.all.filter(({ type }) => type === "rtc.lost" || type === "rtc.removed")).toEqual([]);
    await gateway.rtc.leave(call.request.callId);
    expect(await rtcLab.delayedOf(call.request.ghost)).toEqual([]);
  } finally {
    await alice[Symbol.asyncDispose]();
  }
}, 180_000);

test("a phone that leaves while the homeserver is away is taken out when it is back", async () => {
  await startCall();
  const call = newCall(room, rtcLab.newGhost());
  const { ghost } = call.request;
  const { identity } = await gateway.rtc.prepare(call.request, (fact) => call.facts.push(fact));
  await gateway.rtc.publish(call.request.callId);
  const gone = createRecorder<MatrixEvent>();
  alice.client.on(RoomStateEvent.Events, (event) => {
    if (event.getStateKey() === ghost && event.getContent()["membership"] === "leave") gone.push(event);
  });
  const synapse = rtcLab.lab.process("synapse");
  await synapse.stop();
  await gateway.rtc.leave(call.request.callId);
  await synapse.startAgain();
  await gone.next("the ghost leaving the room", () => true, 90_000);
  const left = async (): Promise<unknown> => ({
    members: (await rtcLab.stateOf(room, ghost)).filter(({ content }) => Object.keys(content).length > 0),
    devices: (await rtcLab.devicesOf(ghost)).filter((device) => device === deviceOf(identity)),
    delayed: await rtcLab.delayedOf(ghost),
  });
  // The device is the last that goes.
  const untilMs = performance.now() + 5_000;
  while ((await rtcLab.devicesOf(ghost)).length > 0 && performance.now() < untilMs) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  expect(await left()).toEqual({ members: [], devices: [], delayed: [] });
}, 180_000);
