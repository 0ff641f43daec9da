import type { KeyObject } from "node:crypto";

import type { Clock } from "../../../clock.ts";
import { GatewayError } from "../../../errors.ts";
import type { CreateSfuClient, SfuAddress, SfuClientOptions } from "../port.ts";
import { ClosedWhileOpening, createConnection } from "./connection.ts";
import { createFrameKeys } from "./frame-crypto.ts";
import { NoUdpError, openSession } from "./session.ts";
import { SignallingRefused } from "./signalling.ts";
import { LightUnsuitable } from "./unsuitable.ts";

const systemClock: Clock = {
  nowMs: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};

const originOf = (url: string): string => (URL.canParse(url) ? new URL(url).host : "an invalid address");

/** The error in words for the person who has to act on it, without token and address parameters. */
const explain = (error: unknown, { sfuUrl, token }: SfuAddress): GatewayError => {
  const sfu = `the SFU at ${originOf(sfuUrl)}`;
  if (error instanceof ClosedWhileOpening) {
    return new GatewayError("MEDIA_FAILED", "the call left while it was connecting to the SFU");
  }
  if (error instanceof NoUdpError) {
    const message = `no UDP connection to ${sfu}: open its UDP ports for the gateway, or use media.sfu_client: native`;
    return new GatewayError("MEDIA_FAILED", message, { cause: new LightUnsuitable(error.message), retryable: true });
  }
  if (error instanceof SignallingRefused && error.status === 404) {
    const message = `${sfu} is too old: it has no /rtc/v1 (media.sfu_client: native works with it)`;
    return new GatewayError("SFU_REFUSED", message, { cause: new LightUnsuitable(error.message), retryable: true });
  }
  const words = error instanceof Error ? error.message : String(error);
  const cause = new Error(words.replaceAll(token, "***").replaceAll(/\?\S*/g, "?***"));
  return new GatewayError("SFU_REFUSED", `${sfu} refused the connection`, { cause, retryable: true });
};

/**
 * SFU client on libdatachannel: encoded frames in and out, a tenth of the cost of libwebrtc (facts: light-media.md). A lost WebSocket
 * is resumed while audio goes on; a lost media connection is joined anew, since there is no ICE restart. UDP only.
 */
export const createLightSfuClient: CreateSfuClient = (options: SfuClientOptions) => {
  const { address, events } = options;
  const keys = createFrameKeys();
  let ownKey: { key: KeyObject; index: number } | undefined;
  let muted = false;
  let listening = false;
  let closing: Promise<void> | undefined;

  const connection = createConnection({
    token: address.token,
    openSession: (token, sessionEvents) =>
      openSession({ ...options, token, muted, keys, clock: systemClock, sessionEvents }),
    onSession: (session) => {
      if (ownKey !== undefined) session.outgoing.setKey(ownKey.key, ownKey.index);
      if (muted) session.setMuted(true);
      session.tracks.listen(listening);
    },
    onState: (state, message) => events.onState(state, message),
  });

  return {
    async connect() {
      try {
        await connection.open();
      } catch (error) {
        throw explain(error, address);
      }
    },
    send: (frame) => connection.session?.outgoing.send(frame),
    skip: (frames) => connection.session?.outgoing.skip(frames),
    flush: () => connection.session?.tracks.flush(),
    setMuted(value) {
      muted = value;
      connection.session?.setMuted(muted);
    },
    async press(identity, key) {
      if (connection.session?.press(identity, key) === true) return;
      throw new GatewayError("MEDIA_FAILED", "there is no data channel to press keys over", { retryable: true });
    },
    setKey({ identity, index, key }) {
      if (!address.encrypted || connection.isClosed()) return;
      const frameKey = keys.set(identity, index, key);
      if (identity !== address.identity) return;
      ownKey = { key: frameKey, index };
      connection.session?.outgoing.setKey(frameKey, index);
    },
    listen(sampleRateHz) {
      listening = sampleRateHz !== undefined;
      connection.session?.tracks.listen(listening);
    },
    review: () => connection.session?.tracks.review(),
    remoteTracks: () => connection.session?.tracks.list() ?? [],
    close: () => (closing ??= connection.close()),
  };
};
