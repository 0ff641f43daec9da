/** The stage without a gateway, for comparison: livekit-sip puts phones straight into the SFU's room, which must be unencrypted. */
import { SIPTransport } from "@livekit/protocol";
import { RoomServiceClient, SipClient } from "livekit-server-sdk";
import { identitiesInRoom } from "../lab/sfu-participants.ts";
import { createCaller, type Dial, until } from "./call.ts";
import { treeOf } from "./processes.ts";
import { type Conference, openConference, type Stage, type StageOptions, warmUp } from "./stage.ts";

const CALLER = "+33140506000";

const dialDirectly = async ({ lab }: Conference): Promise<Dial> => {
  const { httpUrl, apiKey, apiSecret } = lab.livekit;
  const rooms = new RoomServiceClient(httpUrl, apiKey, apiSecret);
  const sip = new SipClient(lab.livekitSip.url, apiKey, apiSecret);
  const { sipTrunkId } = await sip.createSipOutboundTrunk("bench", lab.pbx.sipAddress, [CALLER], {
    transport: SIPTransport.SIP_TRANSPORT_UDP,
  });
  // The one that alice is in: its name is the token service's affair.
  const [room] = await rooms.listRooms();
  if (room === undefined) throw new Error("alice's conference is not on the SFU");
  return async (number) => {
    const who = `phone-${number}`;
    await sip.createSipParticipant(sipTrunkId, number, room.name, { participantIdentity: who });
    return {
      who,
      describe: async () => {
        const there = (await rooms.listParticipants(room.name)).find(({ identity }) => identity === who);
        return there === undefined ? "not in the conference" : JSON.stringify(there.attributes);
      },
      waitForEnd: () =>
        until(`${who} to leave`, async () => !(await identitiesInRoom(lab.livekit, room.name)).includes(who)),
    };
  };
};

export const startDirectStage = async (options: StageOptions): Promise<Stage> => {
  await using scope = new AsyncDisposableStack();
  const conference = await openConference(scope, {
    ...options,
    rooms: 1,
    parts: ["synapse", "token-service", "livekit-sip"],
    encrypted: false,
  });
  const { lab, roomId, talker, telephones } = conference;
  const room = { roomId, talker, call: createCaller(await dialDirectly(conference), talker, telephones) };
  await warmUp([room], options.progress);
  const pids = (): number[] => treeOf(lab.process("livekit-sip").pid);
  const everything = scope.move();
  return {
    ...conference,
    ...room,
    engine: options.engine,
    rooms: [room],
    workerPids: () => [],
    memoryPids: pids,
    allPids: pids,
    [Symbol.asyncDispose]: () => everything.disposeAsync(),
  };
};
