import { once } from "node:events";
import { createSocket } from "node:dgram";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";

import { tryLock } from "./lock.ts";

/** A closed range of UDP ports for media. */
export interface PortRange {
  start: number;
  end: number;
}

/** Ports of one lab, all from a block that no other lab on this machine has. */
export interface LabPorts {
  redis: number;
  livekit: number;
  livekitTcp: number;
  livekitUdp: PortRange;
  synapse: number;
  synapseTls: number;
  tokenService: number;
  /** The PBX: SIP over UDP, SIP over TLS, media. */
  pbxSip: number;
  pbxSipTls: number;
  pbxRtp: PortRange;
  /** The gateway's trunk peer: one SIP port per trunk, because on loopback the PBX knows a trunk by its source port. */
  trunkPeerSip: number;
  trunkPeerSipRegistered: number;
  trunkPeerSipTls: number;
  trunkPeerHttp: number;
  trunkPeerRtp: PortRange;
  /** livekit-sip (or its stand-in): the PBX has a trunk for it. */
  livekitSip: number;
  livekitSipRtp: PortRange;
  livekitSipHealth: number;
  /** LiveKit's HTTP address of the livekit-sip stand-in. */
  livekitSipHttp: number;
  gatewayAppservice: number;
  gatewayApi: number;
  phones: Record<"1001" | "1002", { sip: number; control: number; rtp: PortRange }>;
  /** The bench's telephones: the PBX sends +33 1 99 00 1X XX there; nothing listens in other labs. */
  telephones: number;
}

const BLOCK_SIZE = 1500;
const FIRST_BLOCK = 10_000;

async function isFree(port: number): Promise<boolean> {
  const tcp = createServer().listen(port, "127.0.0.1");
  const udp = createSocket("udp4").bind(port, "127.0.0.1");
  try {
    const results = await Promise.allSettled([once(tcp, "listening"), once(udp, "listening")]);
    return results.every((result) => result.status === "fulfilled");
  } finally {
    tcp.close();
    udp.close();
  }
}

/** Blocks end below the kernel's range for outgoing connections, so that no connection can sit on a server's port. */
function blockStarts(): number[] {
  const [firstEphemeral] = readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8").trim().split(/\s+/);
  const starts: number[] = [];
  for (let start = FIRST_BLOCK; start + BLOCK_SIZE <= Number(firstEphemeral); start += BLOCK_SIZE) starts.push(start);
  return starts;
}

/**
 * Claims a block of ports for one lab. The claim is a lock held by this process; ports of the block that some foreign
 * program uses are skipped. Throws when every block is taken.
 */
export async function claimPorts(): Promise<{ ports: LabPorts; release: () => void }> {
  for (const start of blockStarts()) {
    const release = await tryLock(`ports ${start}`);
    if (release === undefined) continue;
    const ports = await allocate(start);
    if (ports !== undefined) return { ports, release };
    release();
  }
  throw new Error("no free block of ports for another lab: stop one of the labs that run on this machine");
}

async function allocate(start: number): Promise<LabPorts | undefined> {
  // Single ports come from the first 100; each range is checked at both ends only, which finds a lab-like neighbour.
  let next = start;
  const single = async (): Promise<number> => {
    while (!(await isFree(next))) next += 1;
    return next++;
  };
  // baresip binds its SIP port and the next one (TLS), so a phone takes two.
  const pair = async (): Promise<number> => {
    while (!((await isFree(next)) && (await isFree(next + 1)))) next += 1;
    next += 2;
    return next - 2;
  };
  let rangeStart = start + 100;
  const range = (size: number): PortRange => {
    rangeStart += size;
    return { start: rangeStart - size, end: rangeStart - 1 };
  };
  const phone = async () => ({ sip: await pair(), control: await single(), rtp: range(20) });
  const ports: LabPorts = {
    redis: await single(),
    livekit: await single(),
    livekitTcp: await single(),
    livekitUdp: range(320),
    synapse: await single(),
    synapseTls: await single(),
    tokenService: await single(),
    pbxSip: await single(),
    pbxSipTls: await single(),
    pbxRtp: range(440),
    trunkPeerSip: await single(),
    trunkPeerSipRegistered: await single(),
    trunkPeerSipTls: await single(),
    trunkPeerHttp: await single(),
    trunkPeerRtp: range(300),
    livekitSip: await single(),
    livekitSipRtp: range(200),
    livekitSipHealth: await single(),
    livekitSipHttp: await single(),
    gatewayAppservice: await single(),
    gatewayApi: await single(),
    phones: { "1001": await phone(), "1002": await phone() },
    telephones: await single(),
  };
  const ranges = [ports.livekitUdp, ports.pbxRtp, ports.trunkPeerRtp, ports.livekitSipRtp];
  const edges = await Promise.all(ranges.flatMap((r) => [r.start, r.end]).map(isFree));
  return next <= start + 100 && edges.every(Boolean) ? ports : undefined;
}

/** A TCP port that is free now, chosen by the kernel: for a gateway or fake server that a test starts itself. */
export async function freeTcpPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

/** A UDP port that is free now, chosen by the kernel. */
export async function freeUdpPort(): Promise<number> {
  const socket = createSocket("udp4").bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  socket.close();
  await once(socket, "close");
  return port;
}
