import type { JoinRequest } from "@livekit/protocol";

import { type ClientMessage, openSignalling, type ServerMessage, type Signalling } from "./signalling.ts";

export interface LinkOptions {
  readonly sfuUrl: string;
  readonly onMessage: (message: ServerMessage) => void;
  /** The WebSocket in use is gone. */
  readonly onLost: () => void;
}

/** The signalling of one participant, across the WebSockets that carry it one after the other. */
export interface Link {
  /** The new WebSocket takes the place of the old one. Rejects like `openSignalling`. */
  open(request: JoinRequest, token: string): Promise<void>;
  /** Lost while there is no WebSocket. */
  send(message: ClientMessage): void;
  leave(): Promise<void>;
  drop(): void;
}

export const createLink = ({ sfuUrl, onMessage, onLost }: LinkOptions): Link => {
  let current: Signalling | undefined;
  return {
    async open(request, token) {
      const opened = await openSignalling({
        sfuUrl,
        token,
        request,
        onMessage,
        onLost: () => {
          if (current === opened) onLost();
        },
      });
      current = opened;
    },
    send: (message) => current?.send(message),
    async leave() {
      await current?.leave();
    },
    drop: () => current?.drop(),
  };
};
