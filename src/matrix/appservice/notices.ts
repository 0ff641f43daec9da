import type { Notice, NoticePort } from "../../calls/notice-ports.ts";
import { OUTCOME_FACTS } from "../../calls/outcome.ts";
import { toGatewayError } from "../../errors.ts";
import type { CallId, RoomId } from "../../ids.ts";
import type { Log } from "../../log.ts";
import { maskGhosts } from "../mask.ts";

export interface NoticesDeps {
  /** Sends as the bot; false when it is not in the room. */
  readonly sayAsBot: (room: RoomId, text: string) => Promise<boolean>;
  /** Sends through the running session of the call's ghost, encrypted where the room is (rtc/). Rejects when there is none. */
  readonly sayAsGhost: (call: CallId, room: RoomId, text: string) => Promise<void>;
  readonly log: Log;
}

/** To a room in which sticky memberships of a call were sent before the bot could read them. */
export const UNREADABLE_MEMBER_TEXT =
  "Somebody in this call cannot be heard by the phones, as they joined before I could read it. Leaving and joining again helps.";

/** To somebody whose client sent a command in clear into an encrypted room. */
export const NOT_ENCRYPTED_TEXT = "This room is encrypted, so only encrypted commands are obeyed.";

/** The sentence for each notice. */
export const noticeText = (notice: Notice): string => {
  switch (notice.kind) {
    case "phone-leaves-encryption":
      return "A phone has joined this call. What is said leaves the end-to-end encryption at the gateway: telephone lines are not encrypted.";
    case "member-on-other-sfu":
      return `${notice.user} and the phones in this call do not hear each other: they use different media servers (SFU).`;
    case "call-failed": {
      const detail = notice.detail === undefined ? "" : ` ${notice.detail}`;
      const { name, direction } = notice.phone;
      const call = `The call ${direction === "inbound" ? "from" : "to"} ${name}`;
      return `${call} ended: ${OUTCOME_FACTS[notice.outcome].words}.${detail}`;
    }
    case "left-alone": {
      const seconds = Math.round(notice.hangupAfterMs / 1000);
      return `Only phones are left in this call: ${notice.phone.name} is hung up in ${seconds} s.`;
    }
    case "caller-waits":
      return `${notice.phone.name} has called this room and waits in its call. Join the call to talk.`;
  }
};

export const createNotices = ({ sayAsBot, sayAsGhost, log }: NoticesDeps): NoticePort => ({
  notify: async ({ roomId, callId }, notice) => {
    try {
      const text = noticeText(notice);
      if (!(await sayAsBot(roomId, text))) await sayAsGhost(callId, roomId, text);
    } catch (thrown) {
      const { code, message } = toGatewayError(thrown);
      log.warn({ code, callId, roomId, notice: notice.kind }, `notice not sent: ${maskGhosts(message)}`);
    }
  },
});
