import { MediaSectionsRequirement, SessionDescription } from "@livekit/protocol";
import { beforeEach, describe, expect, test } from "@jest/globals";

import { createNegotiation, type Negotiation } from "../../../../src/media/sfu/light/negotiation.ts";
import { withoutCandidates } from "../../../../src/media/sfu/light/sdp.ts";
import { createManualClock, type ManualClock } from "../../../support/media/manual-clock.ts";

let clock: ManualClock;
let negotiation: Negotiation;
let done: string[];
let unusable: boolean;

const answer = (id: number, tracks: Record<string, string> = {}): SessionDescription =>
  new SessionDescription({ type: "answer", sdp: `answer ${id}`, id, midToTrackId: tracks });
const requirement = (numAudios: number): MediaSectionsRequirement => new MediaSectionsRequirement({ numAudios });

beforeEach(() => {
  clock = createManualClock();
  done = [];
  unusable = false;
  let offers = 0;
  negotiation = createNegotiation({
    clock,
    peer: {
      cid: "",
      ssrc: 1,
      offer: () => `offer ${++offers}`,
      addReceiveSections: (count) => done.push(`${count} sections`),
      applyAnswer: (sdp) => {
        if (unusable) throw new Error("not SDP");
        done.push(sdp);
      },
      addCandidate: (candidate, mid) => done.push(`${candidate} at ${mid}`),
      send: () => {},
      sendData: () => true,
      close: () => {},
    },
    sendOffer: ({ id, sdp }) => done.push(`${sdp}, id ${id}`),
    onSections: (tracks) => done.push(JSON.stringify(tracks)),
    onFailed: (message) => done.push(`failed: ${message}`),
  });
  negotiation.firstOffer();
  done.length = 0;
});

describe("offers and answers", () => {
  test("candidates wait for the answer; what is no candidate is ignored", () => {
    const candidates = [
      `{"candidate":"one","sdpMid":"0"}`,
      `{"candidate":"two","sdpMid":null}`,
      `{"candidate":""}`,
      `{"candidate":5}`,
      "not JSON",
      "null",
      "",
    ];
    for (const candidate of candidates) negotiation.onCandidate(candidate);
    expect(done).toEqual([]);
    negotiation.onAnswer(answer(1));
    expect(done).toEqual(["answer 1", "one at 0", "two at 0", "{}"]);
  });

  test("every requirement is answered with an offer, also one without new sections, but one at a time", () => {
    negotiation.onRequirement(requirement(2));
    negotiation.onRequirement(requirement(0));
    expect(done).toEqual([]);
    negotiation.onAnswer(answer(1));
    negotiation.onRequirement(requirement(1));
    negotiation.onAnswer(answer(2, { 1: "TR_a" }));
    expect(done).toEqual([
      "answer 1",
      "{}",
      "2 sections",
      "offer 2, id 2",
      "answer 2",
      `{"1":"TR_a"}`,
      "1 sections",
      "offer 3, id 3",
    ]);
  });

  test("answers that come twice, late, or unasked are not applied", () => {
    negotiation.onAnswer(answer(1));
    negotiation.onAnswer(answer(1));
    negotiation.onAnswer(answer(7));
    negotiation.onRequirement(requirement(1));
    negotiation.onAnswer(answer(1));
    expect(done).toEqual(["answer 1", "{}", "1 sections", "offer 2, id 2"]);
    expect(negotiation.isPending()).toBe(true);
  });

  test("an answer that cannot be applied, and none within 5 s, end the connection", () => {
    unusable = true;
    negotiation.onAnswer(answer(1));
    expect(done).toEqual(["failed: the SFU's answer cannot be used"]);
    negotiation.onRequirement(requirement(1));
    clock.advance(5000);
    expect(done.at(-1)).toBe("failed: the SFU did not answer an offer");
  });

  test("no number of sections asked for makes more than there can be members", () => {
    negotiation.onRequirement(requirement(4_000_000_000));
    negotiation.onAnswer(answer(1));
    negotiation.onRequirement(requirement(4_000_000_000));
    negotiation.onAnswer(answer(2));
    expect(done.filter((text) => text.endsWith("sections"))).toEqual(["1000 sections", "0 sections"]);
  });
});

test("an offer leaves without candidates and is otherwise as it was", () => {
  const lines = ["v=0", "m=audio 9 UDP/TLS/RTP/SAVPF 111", "a=mid:0"];
  const candidates = ["a=candidate:1 1 UDP 2122317823 192.0.2.1 50000 typ host", "a=end-of-candidates"];
  const sdp = [...lines, ...candidates, "a=sendonly", ""].join("\r\n");
  expect(withoutCandidates(sdp)).toBe([...lines, "a=sendonly", ""].join("\r\n"));
});
