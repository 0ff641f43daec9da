import type { DeviceId, RoomId } from "../../ids.ts";
import { newDeviceId } from "../devices.ts";

interface Chat {
  readonly room: RoomId;
}

interface Closable {
  close(): Promise<void>;
}

interface Resident<Device> {
  readonly deviceId: DeviceId;
  readonly device: Promise<Device>;
}

/** A device that one call has for as long as it lasts. */
export interface Borrowed<Device> extends Resident<Device> {
  /** Harmless when it was given back already. */
  giveBack(): void;
}

export interface Residents<Address extends Chat, Device> {
  /** Opens it if it is not. */
  of(chat: Address): Resident<Device>;
  /** Undefined while it is borrowed. */
  borrow(chat: Address): Borrowed<Device> | undefined;
  /** Closes it, once it is not borrowed. */
  drop(room: RoomId): void;
  /** Borrowed ones too. Never rejects. */
  closeAll(): Promise<void>;
}

interface Entry<Device> extends Resident<Device> {
  isBorrowed: boolean;
  isDropped: boolean;
}

/** One open device per chat; of more than `most` the least recently used is dropped. */
export const createResidents = <Address extends Chat, Device extends Closable>({
  open,
  most,
  onCloseFailed,
}: {
  readonly open: (chat: Address, deviceId: DeviceId) => Promise<Device>;
  readonly most: number;
  readonly onCloseFailed: (error: unknown) => void;
}): Residents<Address, Device> => {
  /** Least recently used first. */
  const entries = new Map<RoomId, Entry<Device>>();

  const close = async ({ device }: Entry<Device>): Promise<void> => {
    try {
      await (await device).close();
    } catch (error) {
      onCloseFailed(error);
    }
  };

  const drop = (room: RoomId): void => {
    const entry = entries.get(room);
    entries.delete(room);
    if (entry === undefined) return;
    entry.isDropped = true;
    if (!entry.isBorrowed) void close(entry);
  };

  const add = (chat: Address): Entry<Device> => {
    const deviceId = newDeviceId();
    const entry: Entry<Device> = { deviceId, device: open(chat, deviceId), isBorrowed: false, isDropped: false };
    entry.device.catch(() => {
      if (entries.get(chat.room) === entry) entries.delete(chat.room);
    });
    return entry;
  };

  const of = (chat: Address): Entry<Device> => {
    const entry = entries.get(chat.room) ?? add(chat);
    entries.delete(chat.room);
    entries.set(chat.room, entry);
    const [oldest] = entries.keys();
    if (entries.size > most && oldest !== undefined) drop(oldest);
    return entry;
  };

  return {
    of,
    borrow: (chat) => {
      const entry = of(chat);
      if (entry.isBorrowed) return undefined;
      entry.isBorrowed = true;
      return {
        deviceId: entry.deviceId,
        device: entry.device,
        giveBack: () => {
          if (!entry.isBorrowed) return;
          entry.isBorrowed = false;
          if (entry.isDropped) void close(entry);
        },
      };
    },
    drop,
    closeAll: async () => {
      const all = [...entries.values()];
      entries.clear();
      await Promise.all(all.map(close));
    },
  };
};
