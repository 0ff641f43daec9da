import type { RawData, WebSocket } from "ws";

import type { Hearing } from "../member/hearing.ts";
import { CAPTURE_HEADER_BYTES, type CaptureTrack } from "./page/protocol.ts";

/** Takes what a page hears from its capture socket. */
export function receiveCapture(socket: WebSocket, hearing: Hearing): void {
  const tracks = new Map<number, string>();
  socket.on("message", (data: RawData, isBinary) => {
    const bytes = data as Buffer;
    if (!isBinary) {
      const track = JSON.parse(bytes.toString("utf8")) as CaptureTrack;
      tracks.set(track.index, track.trackId);
      return;
    }
    const trackId = tracks.get(bytes.readUInt32LE(0));
    if (trackId === undefined) return;
    // A copy: the socket's buffer is shared, and its offset need not be even.
    const pcm = new Int16Array(new Uint8Array(bytes.subarray(CAPTURE_HEADER_BYTES)).buffer);
    hearing.add(trackId, pcm, bytes.readDoubleLE(4));
  });
}
