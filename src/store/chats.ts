import type { DatabaseSync } from "node:sqlite";
import { ghostUserId, roomId, userId } from "../ids.ts";
import type { ChatStore, PhoneChat } from "../personal/chat.ts";

const chatOf = (row: Record<string, unknown>): PhoneChat => ({
  room: roomId(String(row["room_id"])),
  ghost: ghostUserId(String(row["ghost"])),
  person: userId(String(row["user_id"])),
});

export const createChatStore = (database: DatabaseSync): ChatStore => {
  const get = database.prepare("SELECT * FROM chats WHERE room_id = ?");
  const between = database.prepare("SELECT * FROM chats WHERE ghost = ? AND user_id = ? ORDER BY position DESC");
  const newest = database.prepare("SELECT * FROM chats ORDER BY position DESC LIMIT ?");
  const put = database.prepare("INSERT OR REPLACE INTO chats (room_id, ghost, user_id) VALUES (?, ?, ?)");
  const remove = database.prepare("DELETE FROM chats WHERE room_id = ?");
  return {
    get: (room) => {
      const row = get.get(room);
      return row === undefined ? undefined : chatOf(row);
    },
    between: (ghost, person) => between.all(ghost, person).map(chatOf),
    newest: (limit) => newest.all(limit).map(chatOf),
    put: ({ room, ghost, person }) => {
      put.run(room, ghost, person);
    },
    remove: (room) => {
      remove.run(room);
    },
  };
};
