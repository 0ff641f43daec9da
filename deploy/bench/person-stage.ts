/** The stage for one-to-one calls: alice in an encrypted chat with a number, and a number that rings bob. */
import type { LabUser } from "../lab/homeserver.ts";
import { type Lab, startLab } from "../lab/lab.ts";
import { nowMs } from "../lab/member/hearing.ts";
import { type LabMemberProcess, spawnLabMember } from "../lab/member/process.ts";
import { startPhoneChat } from "../lab/phone-chat.ts";
import { TALKER_HZ, TELEPHONE_HZ, until } from "./call.ts";
import { type Doorbell, openDoorbell } from "./doorbell.ts";
import { LIMITS } from "./gateway-stage.ts";
import type { MeasurementContext } from "./measurement.ts";
import { type Callers, openCallers } from "./phones/callers.ts";
import { openTelephones, type Telephones } from "./phones/telephones.ts";

/** Whom alice calls: one of the numbers that the PBX sends to the bench's telephones. */
const CALLED = "+33199001500";
/** What rings bob, and who calls him in the chat that exists. */
export const BOBS_NUMBER = "2002";
export const CALLER = "1500";

const CALL_MEMBER = "org.matrix.msc3401.call.member";

/** An event of a room as the homeserver shows it. */
export interface RoomEvent {
  readonly event_id: string;
  readonly type: string;
  readonly sender: string;
  /** When the homeserver made it of the request, on the clock of this machine (epoch ms). */
  readonly origin_server_ts: number;
  readonly content: Record<string, unknown>;
}

export const joins =
  (user: string) =>
  ({ type, sender, content }: RoomEvent): boolean =>
    type === CALL_MEMBER && sender === user && Object.keys(content).length > 0;

export const leaves =
  (user: string) =>
  ({ type, sender, content }: RoomEvent): boolean =>
    type === CALL_MEMBER && sender === user && Object.keys(content).length === 0;

/** A ring of a membership or a decline of a ring: what they refer to is in clear, all else is encrypted. */
export const refers =
  (user: string) =>
  ({ sender, content }: RoomEvent): boolean =>
    sender === user && (content["m.relates_to"] as { rel_type?: string } | undefined)?.rel_type === "m.reference";

export interface PersonStage {
  readonly lab: Lab;
  readonly telephones: Telephones;
  readonly callers: Callers;
  /** Of bob. */
  readonly doorbell: Doorbell;
  readonly alice: LabMemberProcess;
  /** In the chat with CALLER. */
  readonly bob: LabMemberProcess;
  /** Of alice with the number that she calls. */
  readonly chat: { readonly roomId: string; readonly number: string; readonly ghost: string };
  /** The first event after that moment which fits; rejects after 10 s. `user` may be alice or bob, who has to be in the room. */
  readonly eventOf: (
    user: string,
    roomId: string,
    sinceMs: number,
    fits: (event: RoomEvent) => boolean,
  ) => Promise<RoomEvent>;
  /** Resolves when no call runs any more. */
  quiet(): Promise<void>;
}

const NEWEST = 50;

/** Clocks are read to the millisecond by the homeserver, and finer here. */
const ROUNDING_MS = 1;

const eventFinder =
  (lab: Lab, users: readonly LabUser[]): PersonStage["eventOf"] =>
  async (userId, roomId, sinceMs, fits) => {
    const user = users.find((one) => one.userId === userId)!;
    const path = `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/messages?dir=b&limit=${NEWEST}`;
    let found: RoomEvent | undefined;
    await until(`an event in ${roomId}`, async () => {
      const { chunk } = await lab.homeserver.request<{ chunk: RoomEvent[] }>("GET", path, { user });
      found = chunk.findLast((event) => event.origin_server_ts >= sinceMs - ROUNDING_MS && fits(event));
      return found !== undefined;
    });
    return found!;
  };

const waitForQuiet = async ({ gateway }: Lab): Promise<void> =>
  until("the calls to end", async () => {
    const { body } = await gateway.api("GET", "/api/v1/calls?limit=1");
    return (body["calls"] as readonly { state: string }[]).every(({ state }) => state === "ended");
  });

/** Everything ends with `scope`. */
export const startPersonStage = async (
  scope: AsyncDisposableStack,
  { engine, folder }: MeasurementContext,
): Promise<PersonStage> => {
  const usesLivekitSip = engine === "livekit-sip";
  const lab = scope.use(
    await startLab({
      parts: ["gateway", ...(usesLivekitSip ? (["livekit-sip"] as const) : [])],
      gateway: { trunk: usesLivekitSip ? "livekit-sip" : "xivo", config: LIMITS },
      ...(folder === undefined ? {} : { folder }),
    }),
  );
  const telephones = await openTelephones(lab.ports.telephones, lab.ports.pbxSip);
  scope.defer(() => telephones.close());
  const callers = await openCallers(lab.ports.pbxSip);
  scope.defer(() => callers.close());
  const users = await Promise.all([lab.homeserver.createUser("alice"), lab.homeserver.createUser("bob")]);
  const [alice, bob] = users;
  await lab.gateway.reconfigure({
    dispatch_rules: [{ name: "bob", numbers: [BOBS_NUMBER], user: bob.userId }],
  });
  const homeserverUrl = lab.homeserver.url;
  const doorbell = scope.use(await openDoorbell({ homeserverUrl, ...bob }));
  const join = async (user: LabUser, roomId: string): Promise<LabMemberProcess> => {
    const member = scope.use(
      await spawnLabMember({ homeserverUrl, user, roomId, keepMs: 5000, joinLater: true, rings: true }),
    );
    await member.publishTone(TALKER_HZ);
    return member;
  };

  const ghost = lab.gateway.ghost(CALLED);
  const chat = {
    roomId: await startPhoneChat(lab.homeserver, alice, ghost, { encrypted: true }),
    number: CALLED,
    ghost,
  };
  // Makes the chat with bob.
  const telephone = await callers.dial({ caller: CALLER, called: BOBS_NUMBER, toneHz: TELEPHONE_HZ });
  const ring = await doorbell.waitForRing(lab.gateway.ghost(CALLER), telephone.dialledAtMs);
  telephone.hangUp();
  await waitForQuiet(lab);

  return {
    lab,
    telephones,
    callers,
    doorbell,
    alice: await join(alice, chat.roomId),
    bob: await join(bob, ring.roomId),
    chat,
    eventOf: eventFinder(lab, users),
    quiet: () => waitForQuiet(lab),
  };
};

/** Milliseconds on the bench's own clock, for what ends when a promise resolves. */
export const momentOf = (promise: Promise<unknown>): Promise<number> => promise.then(nowMs);
