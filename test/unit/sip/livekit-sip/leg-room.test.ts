import { expect, test } from "@jest/globals";
import { RoomServiceClient } from "livekit-server-sdk";

import { legId } from "../../../../src/ids.ts";
import { createLegRooms, placeOf } from "../../../../src/sip/livekit-sip/leg-room.ts";
import { type FakeAnswer, type FakeHttp, startFakeHttp } from "../../../support/fake-http.ts";

const PLACE = placeOf(legId("leg-1"));

const withLivekit = async (answer: FakeAnswer, run: (livekit: FakeHttp) => Promise<void>): Promise<void> => {
  const livekit = await startFakeHttp(() => answer);
  try {
    await run(livekit);
  } finally {
    await livekit.close();
  }
};
const roomsAt = ({ url }: FakeHttp) => {
  const rooms = new RoomServiceClient(url, "key", "a-secret-that-is-long-enough");
  return createLegRooms({ rooms, wsUrl: url.replace("http", "ws"), apiKey: "key", apiSecret: "secret" });
};

test("a leg that is ended from two sides at once deletes its room once", async () => {
  await withLivekit({ status: 200, body: {} }, async (livekit) => {
    const rooms = roomsAt(livekit);
    await Promise.all([rooms.remove(PLACE.room), rooms.remove(PLACE.room)]);
    expect(livekit.requests).toMatchObject([
      { path: "/twirp/livekit.RoomService/DeleteRoom", body: { room: "mrtc-leg-leg-1" } },
    ]);
    await rooms.remove(PLACE.room);
    expect(livekit.requests).toHaveLength(2);
  });
});

test("a room that is gone already is fine, a LiveKit that fails is not", async () => {
  await withLivekit({ status: 404, body: { code: "not_found", msg: "gone" } }, async (livekit) => {
    await expect(roomsAt(livekit).remove(PLACE.room)).resolves.toBeUndefined();
    await expect(roomsAt(livekit).phoneStatus(PLACE)).resolves.toBe("absent");
  });
  await withLivekit({ status: 503, body: { code: "unavailable", msg: "no" } }, async (livekit) => {
    await expect(roomsAt(livekit).remove(PLACE.room)).rejects.toThrow("no");
    await expect(roomsAt(livekit).phoneStatus(PLACE)).rejects.toMatchObject({ code: "TRUNK_UNAVAILABLE" });
  });
});
