import { afterEach, beforeEach, describe, expect, jest, test } from "@jest/globals";

import { createSubscription } from "../../../../src/media/sfu/subscription.ts";

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

const createRun = () => {
  const asked: boolean[] = [];
  const publication = { subscribed: false, setSubscribed: (on: boolean) => asked.push(on) };
  const subscription = createSubscription(publication);
  return {
    asked,
    publication,
    subscription,
    /** The track comes, as the server would send it. */
    answer: () => {
      publication.subscribed = true;
      subscription.arrived();
    },
  };
};

describe("subscription to a remote track", () => {
  test("is asked for once, and ended once", () => {
    const { asked, subscription, answer } = createRun();
    subscription.want(true);
    subscription.want(true);
    answer();
    subscription.want(true);
    subscription.want(false);
    subscription.want(false);
    expect(asked).toEqual([true, false]);
  });

  test("pauses before it is asked for again: the server must have negotiated the end", () => {
    const { asked, subscription, answer } = createRun();
    subscription.want(true);
    answer();
    subscription.renew();
    subscription.want(true);
    jest.advanceTimersByTime(249);
    expect(asked).toEqual([true, false]);
    jest.advanceTimersByTime(1);
    expect(asked).toEqual([true, false, true]);
  });

  test("a track that never comes is asked for again", () => {
    const { asked, subscription } = createRun();
    subscription.want(true);
    jest.advanceTimersByTime(2250);
    expect(asked).toEqual([true, false, true]);
  });

  test("a subscription that a full reconnect has lost is asked for again", () => {
    const { asked, publication, subscription, answer } = createRun();
    subscription.want(true);
    answer();
    publication.subscribed = false;
    subscription.want(true);
    expect(asked).toEqual([true, true]);
  });

  test("nothing is asked after the end", () => {
    const { asked, subscription } = createRun();
    subscription.want(true);
    subscription.want(false);
    subscription.close();
    jest.advanceTimersByTime(10_000);
    expect(asked).toEqual([true, false]);
  });
});
