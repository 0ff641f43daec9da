import { GatewayError } from "../errors.ts";
import { type CallId, roomId } from "../ids.ts";
import type { Log } from "../log.ts";
import type { LobbyFact, LobbyPort } from "./lobby-port.ts";
import type { Worker, WorkerSet } from "./worker-set.ts";

/** Stands for the lobby where workers are counted by rooms; no room id begins like this. */
const LOBBY = roomId("lobby");
const ENTER_TIMEOUT_MS = 6000;
const SHORT_TIMEOUT_MS = 2000;

interface Guest {
  readonly worker: Worker;
  readonly onFact: (fact: LobbyFact) => void;
}

export interface LobbyPool extends LobbyPort {
  onFact(callId: CallId, fact: LobbyFact): void;
  /** The worker of these calls died; those that are not in the lobby are left alone. */
  lost(callIds: readonly CallId[]): void;
}

/** The parent's side of the lobby: which worker a phone is in. */
export const createLobbyPool = ({
  workers,
  log,
}: {
  readonly workers: () => WorkerSet;
  readonly log: Log;
}): LobbyPool => {
  const guests = new Map<CallId, Guest>();

  const forget = (callId: CallId): void => {
    const guest = guests.get(callId);
    if (guest === undefined) return;
    guests.delete(callId);
    workers().release(guest.worker, callId, LOBBY);
  };

  return {
    onFact: (callId, fact) => guests.get(callId)?.onFact(fact),
    lost: (callIds) => {
      for (const callId of callIds) {
        const onFact = guests.get(callId)?.onFact;
        forget(callId);
        onFact?.({ type: "lobby.lost", message: "the media worker of this call died" });
      }
    },
    enter: async (callId, media, onFact) => {
      const worker = workers().assign(callId, LOBBY, undefined);
      guests.set(callId, { worker, onFact });
      try {
        await worker.process.ready;
        await worker.process.request({ type: "enterLobby", callId, media }, ENTER_TIMEOUT_MS);
      } catch (error) {
        forget(callId);
        throw error;
      }
    },
    say: async (callId, recordings, token, followedBy) => {
      const guest = guests.get(callId);
      if (guest === undefined) throw new GatewayError("MEDIA_FAILED", "the phone is not in the lobby");
      await guest.worker.process.request(
        { type: "sayInLobby", callId, recordings: [...recordings], token, music: followedBy === "music" },
        SHORT_TIMEOUT_MS,
      );
    },
    leave: async (callId) => {
      const guest = guests.get(callId);
      if (guest === undefined) return;
      try {
        await guest.worker.process.request({ type: "leaveLobby", callId }, SHORT_TIMEOUT_MS);
      } catch (error) {
        log.warn({ callId, cause: String(error) }, "a phone did not leave the lobby cleanly");
      }
      forget(callId);
    },
  };
};
