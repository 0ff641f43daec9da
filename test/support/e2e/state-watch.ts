import type { LabUser } from "../../../deploy/lab/homeserver.ts";
import type { Lab } from "../../../deploy/lab/lab.ts";
import type { RoomEvent } from "./rooms.ts";

interface SyncAnswer {
  readonly next_batch: string;
  readonly rooms?: {
    readonly join?: Readonly<
      Record<string, { readonly timeline?: { readonly limited?: boolean; readonly events: RoomEvent[] } }>
    >;
  };
}

const LONG_POLL_MS = 10_000;

/**
 * Every state event of a type that a room gets while this runs, as one of its users is told. Ends `untilMs` (performance.now) at the
 * latest. Throws when the homeserver left events out.
 */
export async function* watchState(
  lab: Lab,
  { roomId, type, user, untilMs }: { roomId: string; type: string; user: LabUser; untilMs: number },
): AsyncGenerator<RoomEvent> {
  const filter = JSON.stringify({
    room: { rooms: [roomId], timeline: { types: [type], limit: 100 }, state: { types: [] }, ephemeral: { types: [] } },
    presence: { types: [] },
  });
  const sync = (since: string | undefined, timeoutMs: number): Promise<SyncAnswer> => {
    const query = new URLSearchParams({
      filter,
      timeout: String(timeoutMs),
      ...(since === undefined ? {} : { since }),
    });
    return lab.homeserver.request("GET", `/_matrix/client/v3/sync?${query.toString()}`, { user });
  };
  let since = (await sync(undefined, 0)).next_batch;
  while (performance.now() < untilMs) {
    const timeoutMs = Math.round(Math.min(LONG_POLL_MS, Math.max(0, untilMs - performance.now())));
    const answer = await sync(since, timeoutMs);
    since = answer.next_batch;
    const timeline = answer.rooms?.join?.[roomId]?.timeline;
    if (timeline?.limited === true) throw new Error("the homeserver left out events");
    yield* timeline?.events ?? [];
  }
}
