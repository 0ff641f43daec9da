import type { LegMedia } from "../calls/ports.ts";
import { GatewayError } from "../errors.ts";
import type { Leg, LegEvents } from "./legs/port.ts";
import type { Phone } from "./phone.ts";

export interface LegSlotDeps {
  readonly phone: Pick<Phone, "leg" | "onLegFrame">;
  readonly connectLeg: (media: LegMedia, events: LegEvents) => Promise<Leg>;
  /** The audio of the leg that is attached is gone. */
  readonly onLost: (message: string) => void;
}

/** The place of a phone's audio: one leg at a time, and the newest one stays. */
export interface LegSlot {
  /** Takes the place of the leg before. Rejects with MEDIA_FAILED, also when a newer one or the end of the call came before it. */
  attach(media: LegMedia): Promise<Leg>;
  close(): Promise<void>;
}

export const createLegSlot = ({ phone, connectLeg, onLost }: LegSlotDeps): LegSlot => {
  let newest = 0;
  const clear = async (): Promise<void> => {
    const old = phone.leg;
    phone.leg = undefined;
    await old?.close();
  };
  return {
    async attach(media) {
      const attempt = (newest += 1);
      await clear();
      let leg: Leg | undefined;
      const state = { isLost: false };
      leg = await connectLeg(media, {
        onFrame: (frame) => phone.onLegFrame(frame),
        onLost: (message) => {
          state.isLost = true;
          if (leg === undefined || phone.leg !== leg) return;
          phone.leg = undefined;
          onLost(message);
        },
      });
      // The audio of a trunk that failed may come later than that of the next trunk.
      if (state.isLost || attempt !== newest) {
        await leg.close();
        throw new GatewayError("MEDIA_FAILED", "the phone's audio was connected too late");
      }
      phone.leg = leg;
      return leg;
    },
    async close() {
      newest += 1;
      await clear();
    },
  };
};
