/**
 * Between the end of a subscription and the next one: until the server has negotiated the end. Sooner, it answers both requests
 * with one offer in which nothing has changed, and no track ever comes (seen with livekit-server 1.13).
 */
const PAUSE_MS = 250;
/** A subscription that brings no track within this is ended and begun again. */
const ANSWER_TIMEOUT_MS = 2000;

/** What the SFU is asked for, and whether it gives it. */
export interface Publication {
  readonly subscribed: boolean;
  setSubscribed(subscribed: boolean): void;
}

/** Our subscription to one remote track. */
export interface Subscription {
  want(wanted: boolean): void;
  /** Ends it and begins it again, with an empty jitter buffer. */
  renew(): void;
  /** The track has come. */
  arrived(): void;
  close(): void;
}

export const createSubscription = (publication: Publication): Subscription => {
  let wanted = false;
  let asked = false;
  /** Runs while a track is awaited, or in the pause after the end. */
  let timer: NodeJS.Timeout | undefined;

  const ask = (subscribed: boolean): void => {
    asked = subscribed;
    publication.setSubscribed(subscribed);
    clearTimeout(timer);
    timer = subscribed ? setTimeout(renew, ANSWER_TIMEOUT_MS) : setTimeout(afterPause, PAUSE_MS);
  };
  const afterPause = (): void => {
    timer = undefined;
    if (wanted) ask(true);
  };
  const renew = (): void => {
    if (asked) ask(false);
  };
  return {
    want(value) {
      wanted = value;
      if (!wanted && asked) ask(false);
      // Asked, and no answer awaited, but not subscribed: a full reconnect has lost it.
      else if (wanted && timer === undefined && !(asked && publication.subscribed)) ask(true);
    },
    renew,
    arrived() {
      if (!asked) return;
      clearTimeout(timer);
      timer = undefined;
    },
    close() {
      clearTimeout(timer);
      wanted = false;
    },
  };
};
