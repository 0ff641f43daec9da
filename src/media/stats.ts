import * as z from "zod";

const directionStats = z.object({
  signalSeconds: z.number(),
  silenceSeconds: z.number(),
  framesLost: z.number(),
  framesDropped: z.number(),
  lastFrameAgoMs: z.number().optional(),
});

export const callAudioStatsSchema = z.object({
  /** The phone, as it is heard in the conference. */
  fromPhone: directionStats,
  /** The conference, as it is heard at the phone. */
  toPhone: directionStats,
  /** Members that publish audio which cannot be decrypted: their key is missing or wrong, or they send in clear. */
  undecryptableMembers: z.number(),
});

/** What a call can prove about its audio (design, section 7). */
export type CallAudioStats = z.infer<typeof callAudioStatsSchema>;
