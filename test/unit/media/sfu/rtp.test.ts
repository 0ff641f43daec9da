import { describe, expect, test } from "@jest/globals";
import * as fc from "fast-check";

import {
  negativeAcknowledgement,
  parseRtp,
  RTP_HEADER_BYTES,
  senderReport,
  writeRtpHeader,
} from "../../../../src/media/sfu/light/rtp.ts";

const packet = (payload: readonly number[], changes: { first?: number; level?: number } = {}): Buffer => {
  const bytes = Buffer.alloc(RTP_HEADER_BYTES + payload.length);
  writeRtpHeader(bytes, {
    payloadType: 8,
    marker: true,
    sequence: 65535,
    timestamp: 4_000_000_000,
    ssrc: 0xdeadbeef,
    level: changes.level ?? 20,
  });
  bytes.set(payload, RTP_HEADER_BYTES);
  if (changes.first !== undefined) bytes[0] = changes.first;
  return bytes;
};

describe("RTP packets", () => {
  test("what is written is read again, with the level in the header extension", () => {
    const bytes = packet([1, 2, 3]);
    expect(parseRtp(bytes)).toMatchObject({ payloadType: 8, sequence: 65535, ssrc: 0xdeadbeef });
    expect([...parseRtp(bytes)!.payload]).toEqual([1, 2, 3]);
    expect(bytes[17]).toBe(0x80 | 20);
    expect(packet([1], { level: 127 })[17]).toBe(127);
  });

  test("padding is not payload", () => {
    expect([...parseRtp(packet([7, 0, 0, 3], { first: 0xb0 }))!.payload]).toEqual([7]);
    expect(parseRtp(packet([0, 0, 3], { first: 0xb0 }))!.payload).toHaveLength(0);
  });

  test("RTCP, other versions, and lengths that do not fit are not read", () => {
    const wrong = [
      Buffer.alloc(0),
      packet([]).subarray(0, 11),
      packet([1], { first: 0x50 }), // version 1
      packet([], { first: 0x9f }), // 15 contributing sources that are not there
      packet([], { first: 0x90 }).subarray(0, 14), // half an extension header
      packet([0], { first: 0xb0 }), // padding of 0 bytes
      packet([255], { first: 0xb0 }), // padding longer than the packet
      senderReport({ ssrc: 1, timestamp: 2, packets: 3, bytes: 4 }, 0),
    ];
    const tooLongExtension = packet([1]);
    tooLongExtension.writeUInt16BE(1000, 14);
    expect([...wrong, tooLongExtension].map((bytes) => parseRtp(bytes))).toEqual(Array(9).fill(undefined));
  });

  test("no bytes make it throw or read beyond the packet", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        const parsed = parseRtp(Buffer.from(bytes));
        expect(parsed?.payload.length ?? 0).toBeLessThanOrEqual(Math.max(0, bytes.length - 12));
      }),
      { numRuns: 2000 },
    );
  });
});

test("a negative acknowledgement names up to 17 packets in an entry, across the turn of the numbers", () => {
  const bytes = negativeAcknowledgement(1, 2, [65534, 65535, 14, 15]);
  // 65534 with 65535 (bit 0) and 14 (16 after it, bit 15); 15 is too far.
  expect(bytes.toString("hex")).toBe("81cd00040000000100000002fffe8001000f0000");
});
