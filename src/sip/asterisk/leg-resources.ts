import { setTimeout as delay } from "node:timers/promises";

import { OUTCOME_FACTS } from "../../calls/outcome.ts";
import type { LegMedia } from "../../calls/ports.ts";
import { GatewayError } from "../../errors.ts";
import type { LegId } from "../../ids.ts";
import { AriError, type AriRest } from "./ari-rest.ts";
import { phoneRequests } from "./phone-requests.ts";
import { legNames } from "./channel-names.ts";
import type { AsteriskCodec } from "./options.ts";

/** How long, and how often, a request is repeated that did not get through while the phone rings or talks. */
const INSIST_MS = 5000;
const INSIST_INTERVAL_MS = 250;
/** deploy/asterisk/extensions.conf: its extensions are SIP statuses. Q.850 causes alone would become others: 21 becomes 403, never 603. */
const REFUSE_CONTEXT = "gateway-refuse";
const NORMAL_CLEARING = OUTCOME_FACTS.completed.q850;

export interface LegResourcesOptions {
  readonly ari: AriRest;
  readonly app: string;
  readonly leg: LegId;
  /** Channel of the phone when it was there first: a call that came to us. */
  readonly phone?: string;
  /** What is offered first, and what the media has until the phone has answered; default: A-law. */
  readonly codec?: AsteriskCodec | undefined;
  /** Prefix of media WebSocket addresses. */
  readonly mediaUrl: string;
}

/** What one dial makes in Asterisk: the phone's channel, media channels, and the bridge between them. All methods reject with AriError. */
export const createLegResources = ({ ari, app, leg, mediaUrl, phone: caller, ...options }: LegResourcesOptions) => {
  const names = { ...legNames(app, leg), ...(caller === undefined ? {} : { phone: caller }) };
  /** Requests that make something; giving back waits for them, or it would miss what they make. */
  const creating = new Set<Promise<unknown>>();
  const mediaChannels = new Set<string>();
  let phone: Promise<unknown> = Promise.resolve();
  let bridge: Promise<unknown> = Promise.resolve();
  let releasing = false;
  let codec = options.codec ?? "alaw";
  /** The dialplan ends it, with its own status, or transfers it. */
  let isHandedOver = false;
  const requests = phoneRequests(ari, names.phone);

  const tracked = <T>(work: Promise<T>): Promise<T> => {
    creating.add(work);
    const forget = (): boolean => creating.delete(work);
    work.then(forget, forget);
    return work;
  };

  /** Repeats what may be repeated until Asterisk has answered: a short fault of the network must not end a call. */
  const insist = async <T>(work: () => Promise<T>): Promise<T> => {
    const deadline = performance.now() + INSIST_MS;
    for (;;) {
      try {
        return await work();
      } catch (error) {
        const refused = error instanceof AriError && error.status !== undefined;
        if (refused || releasing || performance.now() > deadline) throw error;
        await delay(INSIST_INTERVAL_MS);
      }
    }
  };

  const join = async (channel: string, into = names.bridge): Promise<void> => {
    await bridge;
    await insist(() => ari.addToBridge(into, channel));
  };

  const hangupMedia = async (channel: string): Promise<void> => {
    await ari.hangup(channel, NORMAL_CLEARING);
    mediaChannels.delete(channel);
  };

  /** A channel that waits for the media worker. It joins the bridge by `joinMedia` when the worker is there (StasisStart). */
  const addMedia = async (): Promise<LegMedia> => {
    const create = (): Promise<string> => {
      // A new one each time: the answer that did not come may have been a yes.
      const channel = names.media();
      mediaChannels.add(channel);
      return ari.createExternalMedia(channel, app, codec);
    };
    const connectionId = await tracked(insist(create));
    return { kind: "asterisk-websocket", url: `${mediaUrl}${encodeURIComponent(connectionId)}`, codec };
  };

  return {
    phone: names.phone,
    bridge: names.bridge,
    isMedia: (channel: string): boolean => mediaChannels.has(channel),
    forgetMedia: (channel: string): boolean => mediaChannels.delete(channel),
    joinMedia: (channel: string): Promise<void> => join(channel),

    createPhone: async (endpoint: string, variables: Readonly<Record<string, string>>): Promise<void> => {
      const formats = codec === "slin16" ? "g722,alaw,ulaw" : codec;
      phone = tracked(ari.createChannel({ id: names.phone, app, endpoint, formats, variables }));
      await phone;
    },

    /** Sends the INVITE at once and makes the bridge beside it. Resolves when the phone is in the bridge, which may be while it rings. */
    dial: (ringTimeoutMs: number): Promise<void> => {
      const dialling = ari.dial(names.phone, Math.ceil(ringTimeoutMs / 1000));
      bridge = tracked(insist(() => ari.createBridge(names.bridge)));
      return tracked(Promise.all([dialling, bridge]).then(() => join(names.phone)));
    },

    /** 180 for a call that came to us, and what it will need. Resolves when the bridge is there. */
    ring: async (variables: Readonly<Record<string, string>>): Promise<void> => {
      const ringing = ari.ring(names.phone);
      bridge = tracked(insist(() => ari.createBridge(names.bridge)));
      const settings = Object.entries(variables).map(([name, value]) => ari.setVariable(names.phone, name, value));
      await Promise.all([ringing, bridge, ...settings]);
    },

    /**
     * Once the phone has answered: where the PBX has chosen another codec than the media has, the media's channels are hung up, and
     * those that are asked for in their place have the PBX's, so that Asterisk transcodes nothing. True when that was so.
     */
    matchCodec: async (): Promise<boolean> => {
      const agreed = mediaCodecFor(await ari.readVariable(names.phone, "CHANNEL(audionativeformat)"), codec);
      if (agreed === codec) return false;
      codec = agreed;
      await Promise.allSettled([...mediaChannels].map(hangupMedia));
      return true;
    },

    /** 200, and the phone joins the bridge, or that of another leg. */
    answerPhone: async (into?: string): Promise<void> => {
      await ari.answer(names.phone);
      await join(names.phone, into);
    },

    /** Final status for a call that came to us. False when it is gone. */
    refusePhone: async (sipStatus: number): Promise<boolean> => {
      isHandedOver = await ari.continueInDialplan(names.phone, REFUSE_CONTEXT, String(sipStatus));
      return isHandedOver;
    },

    addMedia,

    /** New access in place of the old one, whose channel goes; one that cannot be hung up now goes with the rest at the end. */
    renewMedia: async (): Promise<LegMedia> => {
      const old = [...mediaChannels];
      try {
        const media = await addMedia();
        await Promise.allSettled(old.map(hangupMedia));
        return media;
      } catch (error) {
        const message = "Asterisk gave no new access to the audio of a call";
        throw new GatewayError("MEDIA_FAILED", message, { cause: error, retryable: true });
      }
    },

    press: requests.press,

    /** REFER to the PBX; the phone is not ours any more. Rejects with TRUNK_UNAVAILABLE. */
    transfer: async (dialString: string): Promise<void> => {
      // Before: that it has left the application may be told before the request is answered.
      isHandedOver = true;
      try {
        await requests.transfer(dialString);
      } catch (error) {
        isHandedOver = false;
        throw error;
      }
    },

    /** BYE or CANCEL. Waits for a channel that is being made. False when there is none. */
    hangupPhone: async (q850: number): Promise<boolean> => {
      await Promise.allSettled([phone]);
      return await ari.hangup(names.phone, q850);
    },

    /** Removes everything. False when some of it may be left. */
    release: async (): Promise<boolean> => {
      releasing = true;
      await Promise.allSettled(creating);
      const removals = await Promise.allSettled([
        ...(isHandedOver ? [] : [ari.hangup(names.phone, NORMAL_CLEARING)]),
        ...[...mediaChannels].map(hangupMedia),
        ari.removeBridge(names.bridge),
      ]);
      return removals.every(({ status }) => status === "fulfilled");
    },
  };
};

/** G.722 has no channel over a WebSocket that it could pass through: its samples are the next best. */
const MEDIA_CODECS: readonly (readonly [format: RegExp, codec: AsteriskCodec])[] = [
  [/\balaw\b/, "alaw"],
  [/\bulaw\b/, "ulaw"],
  [/\b(g722|slin16)\b/, "slin16"],
];

/** @param formats what the phone's channel has, "(alaw)" or "(ulaw|alaw)"; the current codec stays when it is among them */
export const mediaCodecFor = (formats: string, current: AsteriskCodec): AsteriskCodec => {
  const possible = MEDIA_CODECS.filter(([format]) => format.test(formats)).map(([, codec]) => codec);
  return possible.includes(current) ? current : (possible[0] ?? current);
};

export type LegResources = ReturnType<typeof createLegResources>;
