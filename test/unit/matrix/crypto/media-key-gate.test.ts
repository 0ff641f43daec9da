import { expect, test } from "@jest/globals";
import {
  createMediaKeyGate,
  MEDIA_KEY_EVENT,
  type DroppedMediaKey,
  type MediaKeyGateDeps,
  type ReceivedMessage,
  type TrustedMediaKey,
} from "../../../../src/matrix/crypto/media-key-gate.ts";

const ROOM = "!room:lab";
const ALICE = "@alice:lab";
const KEY = Buffer.alloc(16, 7).toString("base64");

const content = (changes: Record<string, unknown> = {}): Record<string, unknown> => ({
  keys: { index: 0, key: KEY },
  room_id: ROOM,
  member: { id: `${ALICE}:PHONE`, claimed_device_id: "PHONE" },
  session: { application: "m.call", call_id: "", scope: "m.room" },
  sent_ts: 1,
  ...changes,
});

const received = (
  messageContent: unknown,
  info: Partial<NonNullable<ReceivedMessage["encryptionInfo"]>> | null = {},
): ReceivedMessage => ({
  message: { type: MEDIA_KEY_EVENT, sender: ALICE, content: messageContent },
  encryptionInfo:
    info === null
      ? null
      : { sender: ALICE, senderDevice: "PHONE", senderCurve25519KeyBase64: "curve-of-PHONE", ...info },
});

const run = async (
  messages: readonly ReceivedMessage[],
  changes: Partial<MediaKeyGateDeps> = {},
): Promise<{ readonly passed: TrustedMediaKey[]; readonly dropped: DroppedMediaKey[] }> => {
  const passed: TrustedMediaKey[] = [];
  const dropped: DroppedMediaKey[] = [];
  await new Promise<void>((resolve) => {
    const done = (): void => {
      if (passed.length + dropped.length === messages.length) resolve();
    };
    const gate = createMediaKeyGate({
      roomId: ROOM,
      isJoined: (user) => user === ALICE,
      identityKeyOf: async (_user, device) => `curve-of-${device}`,
      onKey: (key) => {
        passed.push(key);
        done();
      },
      onDropped: (reason) => {
        dropped.push(reason);
        done();
      },
      ...changes,
    });
    messages.forEach((message) => gate.receive(message));
  });
  return { passed, dropped };
};

test("a key of the device that claims it passes, with nothing but the checked fields", async () => {
  const { passed } = await run([received(content({ extra: "field" }))]);
  expect(passed).toEqual([
    {
      sender: ALICE,
      content: {
        room_id: ROOM,
        keys: { index: 0, key: KEY },
        member: { id: `${ALICE}:PHONE`, claimed_device_id: "PHONE" },
        sent_ts: 1,
      },
    },
  ]);
});

test("a key without padding and from a device the SDK cannot name passes when the Olm key is the device's", async () => {
  const bare = content({ keys: { index: 255, key: KEY.replace(/=+$/, "") } });
  const { passed } = await run([
    received(bare, { senderDevice: undefined, senderCurve25519KeyBase64: "curve-of-PHONE==" }),
  ]);
  expect(passed.map((key) => key.content.keys)).toEqual([{ index: 255, key: KEY }]);
});

test.each<[string, ReceivedMessage, DroppedMediaKey]>([
  ["in clear", received(content(), null), "unencrypted"],
  ["of another device", received(content(), { senderDevice: "OTHER" }), "foreign-device"],
  [
    "whose Olm key is another device's",
    received(content(), { senderCurve25519KeyBase64: "curve-of-X" }),
    "foreign-device",
  ],
  ["of another room", received(content({ room_id: "!other:lab" })), "wrong-room"],
  ["of a user who is not joined", received(content(), { sender: "@mallory:lab" }), "not-a-member"],
  ["of 15 bytes", received(content({ keys: { index: 0, key: Buffer.alloc(15).toString("base64") } })), "malformed"],
  ["of 32 bytes", received(content({ keys: { index: 0, key: Buffer.alloc(32).toString("base64") } })), "malformed"],
  ["that is no base64", received(content({ keys: { index: 0, key: "?".repeat(24) } })), "malformed"],
  ["with index 256", received(content({ keys: { index: 256, key: KEY } })), "malformed"],
  ["with index -1", received(content({ keys: { index: -1, key: KEY } })), "malformed"],
  ["with index 0.5", received(content({ keys: { index: 0.5, key: KEY } })), "malformed"],
  ["without a device", received(content({ member: {} })), "malformed"],
  ["without content", received(null), "malformed"],
])("a key %s is dropped", async (_what, message, reason) => {
  expect(await run([message])).toEqual({ passed: [], dropped: [reason] });
});

test("what could not be decrypted is counted, other messages are not looked at", async () => {
  const encrypted = { message: { type: "m.room.encrypted", sender: ALICE, content: {} }, encryptionInfo: null };
  const other = { message: { type: "m.room_key", sender: ALICE, content: {} }, encryptionInfo: null };
  const dropped: string[] = [];
  const gate = createMediaKeyGate({
    roomId: ROOM,
    isJoined: () => true,
    identityKeyOf: async () => undefined,
    onKey: () => dropped.push("passed"),
    onDropped: (reason) => dropped.push(reason),
  });
  gate.receive(encrypted);
  gate.receive(other);
  expect(dropped).toEqual(["undecryptable"]);
});

test("keys keep their order although the device of the first has to be looked up", async () => {
  const slow = async (_user: string, device: string): Promise<string> => {
    if (device === "PHONE") await new Promise((resolve) => setImmediate(resolve));
    return `curve-of-${device}`;
  };
  const laptop = content({ keys: { index: 1, key: KEY }, member: { claimed_device_id: "LAPTOP" } });
  const messages = [
    received(content()),
    received(laptop, { senderDevice: "LAPTOP", senderCurve25519KeyBase64: "curve-of-LAPTOP" }),
  ];
  const { passed } = await run(messages, { identityKeyOf: slow });
  expect(passed.map((key) => key.content.keys.index)).toEqual([0, 1]);
});

test("a look-up that fails drops the key", async () => {
  const failing = (): Promise<string> => Promise.reject(new Error("homeserver away"));
  expect((await run([received(content())], { identityKeyOf: failing })).dropped).toEqual(["foreign-device"]);
});
