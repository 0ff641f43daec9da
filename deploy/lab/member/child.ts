// The process behind spawnLabMember: one member, driven over IPC.
import { type LabMember, type LabMemberOptions, startLabMember } from "./member.ts";

export interface Request {
  readonly id: number;
  readonly method: string;
  readonly args: unknown[];
}

export type Answer =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: string };

let member: LabMember | undefined;

async function run({ method, args }: Request): Promise<unknown> {
  if (method === "start") {
    member = await startLabMember(args[0] as LabMemberOptions);
    const { userId, deviceId, identity } = member;
    return { userId, deviceId, identity };
  }
  if (member === undefined) throw new Error("not started");
  const methods = member as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
  return methods[method]!(...args);
}

process.on("message", (request: Request) => {
  const answer = (message: Answer, then: () => void = () => {}): void => void process.send?.(message, then);
  run(request).then(
    // js-sdk leaves timers behind that would keep the process alive for minutes.
    (result) => answer({ id: request.id, result }, () => request.method === "leave" && process.exit(0)),
    (error: unknown) => {
      answer({ id: request.id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    },
  );
});
// The parent is gone: leave the call as far as there is time, so that no membership lingers.
process.on("disconnect", () => {
  setTimeout(() => process.exit(1), 3000);
  void member?.leave().finally(() => process.exit(1));
});
// Ctrl-C reaches the whole group; the parent decides when to leave.
process.on("SIGINT", () => {});
