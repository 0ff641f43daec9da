/** What a client asks at its start is the same for every ghost of a homeserver. It may change with an update of the homeserver. */
const KEPT_MS = 5 * 60_000;
const TIMEOUT_MS = 15_000;
const SHARED = [
  "/_matrix/client/versions",
  "/_matrix/client/v3/capabilities",
  "/_matrix/client/unstable/org.matrix.msc4143/rtc/transports",
];
/** Ghosts are notified of nothing and keep no backup of their keys. */
const FIXED: readonly { readonly path: string; readonly status: number; readonly body: string }[] = [
  { path: "/_matrix/client/v3/pushrules/", status: 200, body: `{"global":{}}` },
  {
    path: "/_matrix/client/v3/room_keys/version",
    status: 404,
    body: `{"errcode":"M_NOT_FOUND","error":"A ghost has no key backup"}`,
  },
];

interface Answer {
  readonly status: number;
  readonly body: string;
}

const toResponse = ({ status, body }: Answer): Response =>
  new Response(body, { status, headers: { "content-type": "application/json" } });

export interface StartAnswers {
  /** `fetchFn` that knows the answers to what a client asks at its start. */
  remember(fetchFn: typeof globalThis.fetch): typeof globalThis.fetch;
}

/**
 * Answers of the homeserver that all ghosts share. A phone is waiting while its client starts, and a homeserver makes a room's changes one after
 * the other: five requests less for each phone that joins.
 */
export const createStartAnswers = (nowMs: () => number): StartAnswers => {
  const known = new Map<string, { readonly answer: Promise<Answer>; readonly untilMs: number }>();

  const shared = (path: string, ask: () => Promise<Response>): Promise<Answer> => {
    const kept = known.get(path);
    if (kept !== undefined && nowMs() < kept.untilMs) return kept.answer;
    const answer = ask().then(async (response) => {
      if (!response.ok) known.delete(path);
      return { status: response.status, body: await response.text() };
    });
    answer.catch(() => known.delete(path));
    known.set(path, { answer, untilMs: nowMs() + KEPT_MS });
    return answer;
  };

  return {
    remember: (fetchFn) => async (input, init) => {
      const { pathname } = new URL(input instanceof Request ? input.url : input);
      if (init?.method !== undefined && init.method !== "GET") return fetchFn(input, init);
      const fixed = FIXED.find(({ path }) => pathname.endsWith(path));
      if (fixed !== undefined) return toResponse(fixed);
      const path = SHARED.find((one) => pathname.endsWith(one));
      if (path === undefined) return fetchFn(input, init);
      // Not with the signal of whoever asks first: the others wait for the same answer.
      return toResponse(await shared(path, () => fetchFn(input, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) })));
    },
  };
};
