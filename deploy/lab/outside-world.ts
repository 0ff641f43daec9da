/**
 * Numbers of the lab's outside world with a behaviour of their own; every other number answers after 200 ms. All answers
 * play TONES_HZ.outside and record what they hear. The numbers are from the range that France keeps for fiction
 * (+33 1 99 00 xx xx), so nobody owns them; the last digits hint at the SIP status.
 */
export const OUTSIDE_NUMBERS = {
  /** Answers with the first packet, no ringing. */
  answersAtOnce: "+33199000200",
  /** Rings 1 s, then answers. */
  ringsOneSecond: "+33199000180",
  /** Answers at once, plays its tone for 2 s and hangs up (BYE, cause 16); records nothing. */
  hangsUpAfterTwoSeconds: "+33199000202",
  /** Rings for ever. */
  noAnswer: "+33199000408",
  /** 183 with the tone as early media; never answers. */
  earlyMedia: "+33199000183",
  /** 486 Busy Here. */
  busy: "+33199000486",
  /** 603 Decline. */
  declined: "+33199000603",
  /** 404 Not Found. */
  unreachable: "+33199000404",
  /** 503 Service Unavailable, as an overloaded PBX or provider. */
  unavailable: "+33199000503",
  /** Answers and sends back what it hears, records nothing. */
  echo: "+33199000600",
  /** Answers, presses 1 5 9 # after 1 s and stays silent. */
  pressesKeys: "+33199000159",
} as const;

/** An ordinary number outside, as in the demo: answers after 200 ms. */
export const OUTSIDE_NUMBER = "+33140506070";
