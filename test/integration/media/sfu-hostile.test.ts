import {
  JoinResponse,
  LeaveRequest,
  MediaSectionsRequirement,
  ParticipantInfo,
  ParticipantUpdate,
  SessionDescription,
  SignalResponse,
  TrackPublishedResponse,
  TrackUnpublishedResponse,
  TrickleRequest,
} from "@livekit/protocol";
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from "@jest/globals";

import { hears, OTHER_HZ, startTalk, TONE_HZ } from "../../support/media/sfu-talk.ts";
import { eventually } from "../../support/media/scene.ts";
import { type SfuRoom, startSfuRoom } from "../../support/media/sfu-room.ts";
import { startSignallingRelay, startSocketServer } from "../../../deploy/lab/network/signalling-relay.ts";

jest.setTimeout(60_000);

let room: SfuRoom;
beforeAll(async () => {
  room = await startSfuRoom();
});
afterEach(() => room.clear());
afterAll(async () => room[Symbol.asyncDispose]());

const bytes = (message: SignalResponse["message"]): Uint8Array => new SignalResponse({ message }).toBinary();

const participant = new ParticipantInfo({ sid: "PA_me", identity: "alice" });
const join = bytes({ case: "join", value: new JoinResponse({ participant }) });
const answerOf = (sdp: string): Uint8Array =>
  bytes({ case: "answer", value: new SessionDescription({ type: "answer", sdp, id: 1 }) });
/** A well-formed answer of a server that sends and receives nothing. */
const SILENT_ANSWER = [
  "v=0",
  "o=- 1 1 IN IP4 127.0.0.1",
  "s=-",
  "t=0 0",
  "a=group:BUNDLE 0",
  `a=fingerprint:sha-256 ${Array(32).fill("AB").join(":")}`,
  "m=audio 9 UDP/TLS/RTP/SAVPF 111",
  "c=IN IP4 0.0.0.0",
  "a=setup:active",
  "a=mid:0",
  "a=ice-ufrag:abcdefgh",
  "a=ice-pwd:abcdefghijklmnopqrstuvwxyz012345",
  "a=rtcp-mux",
  "a=recvonly",
  "a=rtpmap:111 opus/48000/2",
  "",
].join("\r\n");

describe("an SFU that answers a join with something else", () => {
  /** Sends `messages` to whoever connects. */
  const refusal = async (messages: readonly (Uint8Array | string)[]): Promise<unknown> => {
    await using server = await startSocketServer((socket) => {
      for (const message of messages) socket.send(message);
    });
    const alice = await room.guest("light", await room.address("alice", { sfuUrl: server.url }));
    const error = await alice.connect().then(
      () => "connected",
      (thrown: unknown) => thrown,
    );
    // The process lives, and the client is closed like any other.
    await alice.close();
    expect(await alice.states()).toEqual([]);
    return error;
  };
  const published = async (cid: string): Promise<Uint8Array> =>
    bytes({ case: "trackPublished", value: new TrackPublishedResponse({ cid }) });

  test.each([
    ["nothing", []],
    ["noise and text", [Buffer.alloc(2000, 0xff), "hello", Buffer.alloc(0), Buffer.from([8])]],
    ["a join without a participant", [bytes({ case: "join", value: new JoinResponse() })]],
    ["a leave", [bytes({ case: "leave", value: new LeaveRequest() })]],
    ["an answer that is no SDP", [join, answerOf("no SDP")]],
    ["an answer without a section", [join, answerOf("v=0\r\n")]],
    ["an answer before the join, and then nothing", [answerOf(SILENT_ANSWER)]],
    ["a message of 5 MB", [Buffer.alloc(5_000_000)]],
  ])("%s", async (_name, messages) => {
    expect(await refusal(messages)).toMatchObject({ code: "SFU_REFUSED" });
  });

  test("a track for another participant is not taken for ours", async () => {
    const messages = [join, await published("somebody else's"), answerOf(SILENT_ANSWER)];
    expect(await refusal(messages)).toMatchObject({ code: "SFU_REFUSED" });
  });

  test("an SFU without /rtc/v1 is one for the native client", async () => {
    await using server = await startSocketServer();
    const alice = await room.guest("light", await room.address("alice", { sfuUrl: server.url }));
    await expect(alice.connect()).rejects.toMatchObject({ code: "SFU_REFUSED", causeName: "LightUnsuitable" });
  });
});

describe("during a call", () => {
  test("messages that make no sense, come again, or speak of others change nothing", async () => {
    await using relay = await startSignallingRelay(room.lab.livekit.wsUrl);
    const [alice, bob] = await startTalk(room, "light", { sfuUrl: relay.url });
    const stranger = new ParticipantInfo({ sid: "PA_x", identity: "stranger" });
    for (const message of [
      Buffer.alloc(1000, 0xfe),
      "text",
      join,
      answerOf("no SDP"),
      answerOf(SILENT_ANSWER),
      bytes({ case: "trickle", value: new TrickleRequest({ candidateInit: "{" }) }),
      bytes({
        case: "trickle",
        value: new TrickleRequest({ candidateInit: '{"candidate":"x","sdpMid":"99"}' }),
      }),
      bytes({
        case: "update",
        value: new ParticipantUpdate({ participants: [stranger, new ParticipantInfo()] }),
      }),
      bytes({ case: "trackUnpublished", value: new TrackUnpublishedResponse({ trackSid: "TR_unknown" }) }),
      bytes({ case: "trackPublished", value: new TrackPublishedResponse({ cid: "unknown" }) }),
      bytes({ case: "mediaSectionsRequirement", value: new MediaSectionsRequirement({ numAudios: 3 }) }),
    ]) {
      relay.inject(message);
    }
    const before = (await alice.heard("bob")).count;
    await eventually(async () => (await alice.heard("bob")).count > before + 50, "a second of audio");
    await hears(alice, "bob", OTHER_HZ);
    await hears(bob, "alice", TONE_HZ);
    expect([await alice.states(), await alice.ended()]).toEqual([[], []]);
  });

  test("an answer that cannot be used ends the connection, and a new one is made", async () => {
    let spoil = false;
    await using relay = await startSignallingRelay(room.lab.livekit.wsUrl, {
      change: (response) => {
        if (response.message.case !== "answer" || !spoil) return response;
        spoil = false;
        response.message.value.sdp = "m=nonsense";
        return response;
      },
    });
    const [alice, bob] = await startTalk(room, "light", { sfuUrl: relay.url });
    spoil = true;
    await room.member("light", "carol").then((carol) => carol.say("alaw", 440));
    await eventually(async () => (await alice.states()).length === 2, "interrupted and connected");
    expect((await alice.states()).map((text) => text.split(":")[0])).toEqual(["interrupted", "connected"]);
    await hears(alice, "bob", OTHER_HZ);
    expect(await hears(bob, "alice", TONE_HZ)).toBe(true);
  });

  test("a member that sends 10,000 packets a second takes nothing from the others", async () => {
    const [alice, bob] = await startTalk(room, "light");
    const mallory = await room.member("light", "mallory");
    await alice.setKey("mallory", 0, room.key("mallory"));
    await mallory.say("alaw", 440, 200);
    await eventually(async () => (await alice.heard("mallory")).count > 600, "the flood");
    const before = await alice.heard("bob");
    await eventually(async () => (await alice.heard("bob")).count > before.count + 100, "two seconds of bob", 6000);
    await hears(alice, "bob", OTHER_HZ);
    await hears(bob, "alice", TONE_HZ);
    expect(await alice.states()).toEqual([]);
  });
});
