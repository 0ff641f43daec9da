/** The stage for phones that dial: a running encrypted conference behind a number, a menu behind another, telephones that call both. */
import { setTimeout as delay } from "node:timers/promises";
import { type DialIn, turnOnDialIn } from "../lab/dial-in.ts";
import { nowMs } from "../lab/member/hearing.ts";
import { TALKER_HZ, waitForNewKey } from "./call.ts";
import { openGatewayConference } from "./gateway-stage.ts";
import type { MeasurementContext } from "./measurement.ts";
import type { CallingTelephone } from "./phones/callers.ts";
import type { Conference, ConferenceOptions, TalkRoom } from "./stage.ts";

/** Of the first room; the next ones follow. */
export const ROOM_NUMBER = "8500";
export const MENU_NUMBER = "8560";

/** js-sdk gives a newcomer of an older call a new key, 1 s later: the slower of the two cases. */
const KEY_AGE_MS = 10_500;
const WARM_UP_CALLS = 2;
/** A call that is later than that is lost. */
const LOST_AFTER_MS = 30_000;

export interface DialInRoom extends TalkRoom {
  /** What leads into it. */
  readonly number: string;
  /** Waits until the talker's key is so old that it would make a new one. */
  oldKey(): Promise<void>;
  /** The telephone hangs up; resolves when nobody sees its ghost any more and the talker uses the key that follows. */
  end(telephone: CallingTelephone, ghost: string): Promise<void>;
}

export interface DialInStage extends DialInRoom, Pick<Conference, "lab" | "bob" | "join"> {
  readonly rooms: readonly DialInRoom[];
  readonly dialIn: DialIn;
  /** Says a tone of its own from the answer on. */
  dial(caller: string, called: string, toneHz: number): Promise<CallingTelephone>;
}

const dialInRoom = ({ roomId, talker }: TalkRoom, index: number): DialInRoom => ({
  roomId,
  talker,
  number: String(Number(ROOM_NUMBER) + index),
  oldKey: async () => {
    const since = await talker.ownKeySinceMs();
    if (since !== undefined) await delay(Math.max(0, since + KEY_AGE_MS - nowMs()));
  },
  end: async (telephone, ghost) => {
    const hungUpAtMs = nowMs();
    telephone.hangUp();
    await talker.waitForNoMember(ghost);
    await waitForNewKey(talker, hungUpAtMs);
  },
});

/** Everything ends with `scope`. */
export const startDialInStage = async (
  scope: AsyncDisposableStack,
  context: MeasurementContext & Pick<ConferenceOptions, "talkerHears" | "rooms" | "inPlaceOfPbx">,
): Promise<DialInStage> => {
  const conference = await openGatewayConference(scope, context);
  const { lab, talker, bob, callers } = conference;
  const rooms = conference.rooms.map(dialInRoom);
  await lab.gateway.reconfigure({
    dispatch_rules: rooms.map(({ number, roomId }) => ({ name: `bench-${number}`, numbers: [number], room: roomId })),
    menu: { numbers: [MENU_NUMBER], language: "en" },
  });
  const dialIn = await turnOnDialIn(talker, lab.gateway.botUserId);

  const stage: DialInStage = {
    ...rooms[0]!,
    rooms,
    lab,
    bob,
    join: (user, options) => conference.join(user, options),
    dialIn,
    dial: (caller, called, toneHz) => callers.dial({ caller, called, toneHz }),
  };
  for (const room of rooms) {
    for (let i = 0; i < WARM_UP_CALLS; i++) {
      const telephone = await stage.dial("1500", room.number, 500);
      await telephone.hear(TALKER_HZ, { sinceMs: telephone.dialledAtMs });
      await room.end(telephone, lab.gateway.ghost("1500"));
    }
  }
  context.progress("everything is warm");
  return stage;
};

/** Milliseconds from `sinceMs` until the phone is heard by the talker, and hears the talker. */
export const passes = async (
  { talker }: Pick<DialInRoom, "talker">,
  telephone: CallingTelephone,
  { ghost, toneHz, sinceMs }: { ghost: string; toneHz: number; sinceMs: number },
): Promise<{ in: number; out: number }> => {
  const [inConference, atPhone] = await Promise.all([
    talker.hear(ghost, toneHz, { sinceMs: telephone.dialledAtMs, withinMs: LOST_AFTER_MS }),
    telephone.hear(TALKER_HZ, { sinceMs: telephone.dialledAtMs, withinMs: LOST_AFTER_MS }),
  ]);
  return { in: inConference.firstFrameAtMs - sinceMs, out: atPhone.firstFrameAtMs - sinceMs };
};
