import { AccessToken, RoomServiceClient } from "livekit-server-sdk";

import { type Lab, startLab } from "../../../deploy/lab/lab.ts";
import type { MediaFact, SfuAccess } from "../../../src/calls/ports.ts";
import { type CallId, callId, type RoomId, roomId } from "../../../src/ids.ts";
import type { Log } from "../../../src/log.ts";
import { createMediaPool, type MediaPool, type MediaPoolOptions } from "../../../src/media/pool.ts";
import { parseSfuClientChoice } from "../../../src/media/sfu/choose.ts";
import { type AsteriskMediaServer, type MediaLeg, startAsteriskMediaServer } from "./asterisk-media-server.ts";
import { startTalker, type Talker } from "./talker.ts";

/** One phone of a scene: its call, its leg at the fake Asterisk, and what was reported of it. */
export interface ScenePhone {
  readonly callId: CallId;
  readonly identity: string;
  leg: MediaLeg;
  readonly facts: MediaFact[];
  /** Resolves with the next fact of this type, or the one that is already there. */
  fact<T extends MediaFact["type"]>(type: T): Promise<Extract<MediaFact, { type: T }>>;
}

export interface Scene extends AsyncDisposable {
  readonly lab: Lab;
  readonly pool: MediaPool;
  readonly asterisk: AsteriskMediaServer;
  readonly room: RoomId;
  readonly logLines: string[];
  /** The media key of an identity: known to whoever should know it. */
  key(identity: string, index?: number): Uint8Array;
  access(identity: string): Promise<SfuAccess>;
  /** A member with a microphone, in the room, knowing the keys of `phones`. */
  talker(identity: string, phones: readonly string[], options?: { readonly isMember: boolean }): Promise<Talker>;
  /** A phone in the room, talking and hearing. `talkers`: members whose keys it has. */
  phone(identity: string, options: PhoneOptions): Promise<ScenePhone>;
  /** Joins, attaches and bridges a phone again. */
  rejoin(phone: ScenePhone): Promise<void>;
  /** Joins the SFU again with a phone whose leg is still attached. */
  rejoinSfu(phone: ScenePhone): Promise<void>;
  removeParticipant(identity: string): Promise<void>;
  /** Kills the SFU and starts it again at the same address. */
  restartSfu(): Promise<void>;
}

export interface PhoneOptions {
  readonly talkers: readonly string[];
  readonly toneHz?: number;
}

/** A real SFU, a fake Asterisk, a real media pool, and one encrypted room. */
export const startScene = async (options: Partial<MediaPoolOptions> = {}): Promise<Scene> => {
  const lab = await startLab({ parts: ["livekit"] });
  const asterisk = await startAsteriskMediaServer();
  const logLines: string[] = [];
  // TEST_SFU_CLIENT=native runs the same tests with the other client.
  const sfuClient = parseSfuClientChoice(process.env["TEST_SFU_CLIENT"]);
  const pool = createMediaPool({ log: collectLog(logLines), sfuClient, ...options });
  const room = roomId(`!${crypto.randomUUID()}`);
  const talkers: Talker[] = [];
  const members: string[] = [];
  const phones: CallId[] = [];
  const tellMembers = (): void => {
    for (const phone of phones) pool.setMembers(phone, members);
  };

  const key = (identity: string, index = 0): Uint8Array => {
    const bytes = Buffer.alloc(16, index);
    bytes.write(identity);
    return bytes;
  };
  const access = async (identity: string): Promise<SfuAccess> => {
    const token = new AccessToken(lab.livekit.apiKey, lab.livekit.apiSecret, { identity });
    token.addGrant({ roomJoin: true, room });
    return {
      sfuUrl: lab.livekit.wsUrl,
      token: await token.toJwt(),
      identity,
      encrypted: true,
      transportUrl: lab.livekit.httpUrl,
    };
  };
  const joinSfu = async (phone: ScenePhone): Promise<void> => {
    await pool.join({ callId: phone.callId, roomId: room, access: await access(phone.identity) }, (fact) =>
      phone.facts.push(fact),
    );
  };
  const connect = async (phone: ScenePhone): Promise<void> => {
    await joinSfu(phone);
    await pool.attach(phone.callId, {
      kind: "asterisk-websocket",
      url: asterisk.url(phone.identity),
      codec: "alaw",
    });
    phone.leg = await asterisk.leg(phone.identity);
    await pool.bridge(phone.callId);
  };

  return {
    lab,
    pool,
    asterisk,
    room,
    logLines,
    key,
    access,
    async talker(identity, known, { isMember } = { isMember: true }) {
      const talker = startTalker();
      talkers.push(talker);
      if (isMember) members.push(identity);
      tellMembers();
      const { sfuUrl, token } = await access(identity);
      await talker.join({ url: sfuUrl, token, identity, encrypted: true });
      for (const other of [identity, ...known]) await talker.setKey(other, 0, key(other));
      return talker;
    },
    async phone(identity, { talkers: members, toneHz }) {
      const facts: MediaFact[] = [];
      const phone = {
        callId: callId(`call-${identity}`),
        identity,
        facts,
        fact: factOf(facts),
      } as unknown as ScenePhone;
      for (const known of [identity, ...members]) {
        pool.setKey(phone.callId, { identity: known, index: 0, key: key(known) });
      }
      phones.push(phone.callId);
      tellMembers();
      await connect(phone);
      phone.leg.say(toneHz);
      return phone;
    },
    rejoin: connect,
    rejoinSfu: joinSfu,
    async removeParticipant(identity) {
      const { httpUrl, apiKey, apiSecret } = lab.livekit;
      await new RoomServiceClient(httpUrl, apiKey, apiSecret).removeParticipant(room, identity);
    },
    async restartSfu() {
      const sfu = lab.process("livekit");
      await sfu.kill();
      await sfu.startAgain();
    },
    async [Symbol.asyncDispose]() {
      await pool.close();
      await Promise.all(talkers.map((talker) => talker.close()));
      await asterisk.close();
      await lab.stop();
    },
  };
};

const factOf =
  (facts: MediaFact[]) =>
  async (type: MediaFact["type"]): Promise<MediaFact> => {
    const found = await eventually(() => facts.find((fact) => fact.type === type), `the fact ${type}`, 20_000);
    facts.splice(facts.indexOf(found), 1);
    return found;
  };

const collectLog = (lines: string[]): Log => {
  const write = (fields: object, message: string): void => {
    lines.push(`${message} ${JSON.stringify(fields)}`);
  };
  const log: Log = { debug: write, info: write, warn: write, error: write, child: () => log };
  return log;
};

/** Asks again every 20 ms until the answer is neither undefined nor false; fails naming what is missing. */
export const eventually = async <T>(
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  what: string,
  timeoutMs = 5000,
): Promise<T> => {
  const giveUpAt = performance.now() + timeoutMs;
  for (;;) {
    const answer = await probe();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() > giveUpAt) throw new Error(`${what} did not happen within ${timeoutMs} ms`);
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
  }
};
