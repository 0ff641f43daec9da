import {
  DataPacket,
  DisconnectReason,
  type JoinResponse,
  type LeaveRequest,
  LeaveRequest_Action,
  type SessionDescription,
} from "@livekit/protocol";

import type { Clock } from "../../../clock.ts";
import type { SfuClientOptions } from "../port.ts";
import { createEnding, type SessionEnd } from "./ending.ts";
import type { FrameKeys } from "./frame-crypto.ts";
import { createLink } from "./link.ts";
import { createMilestone, type Milestone, within } from "./milestone.ts";
import { createNegotiation } from "./negotiation.ts";
import { createOutgoing, type Outgoing } from "./outgoing.ts";
import { createPeer, type Peer } from "./peer.ts";
import { createRemoteTracks, type RemoteTracks } from "./remote-tracks.ts";
import { joinRequest, keyPacket, muteMessage, resumeRequest, subscriptionMessage } from "./requests.ts";
import { negativeAcknowledgement } from "./rtp.ts";
import type { ServerMessage } from "./signalling.ts";

/** From the answer to a connection: 10 to 50 ms where UDP passes. */
const ICE_TIMEOUT_MS = 4000;
/** From the opened WebSocket to the answer to the join or the resumption. */
const RESPONSE_TIMEOUT_MS = 5000;

/** No packet comes through: this network needs TURN or TCP, which libdatachannel has not got. */
export class NoUdpError extends Error {
  constructor() {
    super("no UDP connection to the SFU");
    this.name = "NoUdpError";
  }
}

export interface SessionEvents {
  /** The media connection is up, or is not for a while. */
  onMedia(up: boolean): void;
  /** The WebSocket is gone; audio may still pass. */
  onSignallingLost(): void;
  onToken(token: string): void;
  /** Nothing follows. Only after `openSession` resolved. */
  onEnd(end: SessionEnd): void;
}

export interface SessionOptions extends SfuClientOptions {
  readonly token: string;
  readonly muted: boolean;
  readonly clock: Clock;
  readonly keys: FrameKeys;
  readonly sessionEvents: SessionEvents;
}

/** One join of the SFU, from its offer to its end. */
export interface Session {
  readonly outgoing: Outgoing;
  readonly tracks: RemoteTracks;
  setMuted(muted: boolean): void;
  /** False where nothing was sent. */
  press(identity: string, key: string): boolean;
  /** Takes up the signalling again for the same participant. Rejects when the server does not, or is not there. */
  resume(token: string): Promise<void>;
  /** `leave`: the server is told, and has taken note when this resolves. */
  close(how: "leave" | "drop"): Promise<void>;
}

const endOf = ({ action, reason }: LeaveRequest): SessionEnd => ({
  kind: action === LeaveRequest_Action.DISCONNECT ? "gone" : "broken",
  message: `the SFU closed the connection (${DisconnectReason[reason] ?? String(reason)})`,
});

const noAnswer = (): Error => new Error("the SFU did not answer in time");

type MessageHandlers = {
  readonly [Case in NonNullable<ServerMessage["case"]>]?: (
    value: Extract<ServerMessage, { case: Case }>["value"],
  ) => void;
};
const handle = (handlers: MessageHandlers, message: ServerMessage): void => {
  if (message.case === undefined) return;
  (handlers[message.case] as ((value: unknown) => void) | undefined)?.(message.value);
};

/** Keys among the data; what is no packet of LiveKit's is ignored. */
const keysOf =
  (onKey: NonNullable<SfuClientOptions["events"]["onKey"]>) =>
  (message: Buffer): void => {
    const packet = parseData(message);
    if (packet?.value.case === "sipDtmf") onKey(packet.participantIdentity, packet.value.value.digit);
  };
const parseData = (message: Buffer): DataPacket | undefined => {
  try {
    return DataPacket.fromBinary(message);
  } catch {
    return undefined;
  }
};

/** What has to happen until a session is open. */
const createMilestones = () => {
  const joined = createMilestone<JoinResponse>();
  const published = createMilestone<string>();
  const answered = createMilestone<true>();
  const connected = createMilestone<true>();
  return {
    joined,
    published,
    answered,
    connected,
    fail(error: Error): void {
      for (const milestone of [joined, published, answered, connected]) milestone.fail(error);
    },
    async reached(): Promise<void> {
      const all = Promise.all([joined.reached, published.reached, answered.reached]);
      await within(all, RESPONSE_TIMEOUT_MS, noAnswer());
      await within(connected.reached, ICE_TIMEOUT_MS, new NoUdpError());
    },
  };
};

/** Joins and publishes. Rejects with SignallingRefused, NoUdpError or another error. */
export const openSession = async (options: SessionOptions): Promise<Session> => {
  const { address, clock, muted, events, sessionEvents, publishes: codec = "alaw" } = options;
  const opening = createMilestones();
  let resumed: Milestone<true> | undefined;
  let open = false;
  let closed = false;

  const failWaiting = (error: Error): void => {
    opening.fail(error);
    resumed?.fail(error);
  };
  const ending = createEnding(clock, (reason) => {
    failWaiting(new Error(reason.message));
    if (open) sessionEvents.onEnd(reason);
  });
  const fail = (message: string): void => ending.end({ kind: "broken", message });

  const peer: Peer = createPeer({
    codec,
    onPacket: (mid, packet) => tracks.onPacket(mid, packet),
    ...(events.onKey === undefined ? {} : { onData: keysOf((identity, digit) => events.onKey?.(identity, digit)) }),
    onState: (state) => {
      if (state === "connected") opening.connected.reach(true);
      else if (state === "failed") ending.endUnlessExplained("the media connection to the SFU is gone");
      if (open) sessionEvents.onMedia(state === "connected");
    },
  });
  const { encrypted } = address;
  const outgoing = createOutgoing({ ssrc: peer.ssrc, codec, encrypted, write: (packet) => peer.send(packet) });
  outgoing.setMuted(muted);
  const tracks = createRemoteTracks({
    ...options,
    subscribe: (...wish) => link.send(subscriptionMessage(...wish)),
    onMissing: (ssrc, sequences) => peer.send(negativeAcknowledgement(peer.ssrc, ssrc, sequences)),
  });
  const negotiation = createNegotiation({
    clock,
    peer,
    sendOffer: (value: SessionDescription) => link.send({ case: "offer", value }),
    onSections: (sections) => {
      opening.answered.reach(true);
      tracks.setSections(sections);
    },
    onFailed: fail,
  });

  const onJoin = (join: JoinResponse): void => {
    const sid = join.participant?.sid ?? "";
    if (sid === "") return fail("the SFU's join response names no participant");
    tracks.begin(sid, join.sifTrailer);
    opening.joined.reach(join);
    tracks.update(join.otherParticipants);
  };
  // Speakers, quality, data and the like are nothing that a phone shows.
  const handlers: MessageHandlers = {
    join: (join) => (open ? undefined : onJoin(join)),
    reconnect: () => resumed?.reach(true),
    answer: (answer) => negotiation.onAnswer(answer),
    trickle: ({ candidateInit }) => negotiation.onCandidate(candidateInit),
    mediaSectionsRequirement: (requirement) => negotiation.onRequirement(requirement),
    trackPublished: ({ cid, track }) => (cid === peer.cid ? opening.published.reach(track?.sid ?? "") : undefined),
    update: ({ participants }) => tracks.update(participants),
    trackUnpublished: ({ trackSid }) => tracks.unpublished(trackSid),
    refreshToken: (token) => sessionEvents.onToken(token),
    leave: (leave) => ending.end(endOf(leave)),
  };
  const link = createLink({
    sfuUrl: address.sfuUrl,
    onMessage: (message) => {
      if (!closed) handle(handlers, message);
    },
    onLost: () => {
      if (closed) return;
      const error = new Error("the SFU closed the signalling connection");
      failWaiting(error);
      // The server may have lost the offer, or we its answer: nothing tells.
      if (negotiation.isPending()) fail(error.message);
      else if (open) sessionEvents.onSignallingLost();
    },
  });
  const close = async (how: "leave" | "drop"): Promise<void> => {
    if (closed) return;
    closed = true;
    ending.close();
    negotiation.close();
    tracks.end();
    if (how === "leave") await link.leave();
    else link.drop();
    peer.close();
  };

  try {
    const offer = negotiation.firstOffer();
    await link.open(joinRequest({ cid: peer.cid, offer, muted, encrypted }), options.token);
    await opening.reached();
    // Said between the last step and now, when nobody waited any more.
    if (ending.reason !== undefined) throw new Error(ending.reason.message);
  } catch (error) {
    await close("leave");
    throw error;
  }
  open = true;
  const trackSid = await opening.published.reached;
  const { participant } = await opening.joined.reached;
  let isMuted = muted;
  return {
    outgoing,
    tracks,
    close,
    setMuted(value) {
      isMuted = value;
      outgoing.setMuted(value);
      link.send(muteMessage(trackSid, value));
    },
    press: (identity, key) => peer.sendData(keyPacket(identity, key)),
    async resume(token) {
      const attempt = createMilestone<true>();
      resumed = attempt;
      await link.open(resumeRequest(participant?.sid ?? ""), token);
      if (closed) return link.leave();
      await within(attempt.reached, RESPONSE_TIMEOUT_MS, noAnswer());
      // What was said while nobody listened.
      link.send(muteMessage(trackSid, isMuted));
      tracks.resubscribe();
    },
  };
};
