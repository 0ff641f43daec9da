import { randomUUID } from "node:crypto";

import { z } from "zod";

import { OUTCOME_FACTS } from "../../calls/outcome.ts";
import { GatewayError } from "../../errors.ts";
import { type AriRest, AriError, createAriRest } from "./ari-rest.ts";
import { asteriskAddresses, type AsteriskEngineOptions, basicAuthorization } from "./options.ts";

/** One line of the start-up checks. `fix` says what to do when `ok` is false. */
export interface AsteriskCheck {
  readonly ok: boolean;
  readonly text: string;
  readonly fix?: string;
}

/** Modules that the engine uses and that a hand-made modules.conf may lack, with what fails without each. */
const NEEDED_MODULES: Readonly<Record<string, string>> = {
  "chan_pjsip.so": "phones cannot be called",
  "chan_websocket.so": "no audio",
  "bridge_simple.so": "no audio",
  "res_ari_channels.so": "phones cannot be called",
  "res_ari_bridges.so": "no audio",
  "func_timeout.so": "a call of a dead gateway would never end",
  "func_callerid.so": "calls have no caller id",
  "res_pjsip_header_funcs.so": "anonymous calls have no Privacy header",
  "res_pjsip_refer.so": "calls cannot be transferred",
  "app_transfer.so": "calls cannot be transferred",
};

const infoSchema = z.object({ system: z.object({ version: z.string() }) });
const modulesSchema = z.array(z.object({ name: z.string(), status: z.string() }));
const endpointSchema = z.object({ state: z.string().nullish() });

/** chan_websocket came with 20.16, 21.11, 22.6 and 23.0. */
const FIRST_MINOR: Readonly<Record<number, number>> = { 20: 16, 21: 11, 22: 6 };

/** undefined for a version that is not a number (a build from git): it may well work. */
const hasWebSocketChannel = (version: string): boolean | undefined => {
  const [, major, minor] = /(\d+)\.(\d+)/.exec(version) ?? [];
  if (major === undefined || minor === undefined) return undefined;
  if (Number(major) > 22) return true;
  const first = FIRST_MINOR[Number(major)];
  return first !== undefined && Number(minor) >= first;
};

const checkServer = async (ari: AriRest, host: string): Promise<AsteriskCheck> => {
  try {
    const { version } = infoSchema.parse(await ari.get("/asterisk/info")).system;
    if (hasWebSocketChannel(version) === false) {
      const fix = "use Asterisk 20.16, 21.11, 22.6 or later: older ones have no audio over WebSocket (chan_websocket)";
      return { ok: false, text: `Asterisk ${version} at ${host} is too old`, fix };
    }
    return { ok: true, text: `Asterisk ${version} at ${host} answers (ARI)` };
  } catch (error) {
    const status = error instanceof AriError ? error.status : undefined;
    if (status === 401 || status === 403) {
      const fix = "compare name and password with ari.conf; the section needs type=user and read_only=no";
      return { ok: false, text: `Asterisk at ${host} refuses the ARI name or password (${status})`, fix };
    }
    if (status === 404) {
      const fix = "ari.conf needs enabled=yes, and the address ends in /ari (behind the `prefix` of http.conf, if any)";
      return { ok: false, text: `the web server at ${host} has no ARI there (404)`, fix };
    }
    if (status !== undefined || error instanceof z.ZodError) {
      return { ok: false, text: `what answers at ${host} is not ARI`, fix: "check the address of ARI" };
    }
    const fix = "start Asterisk; http.conf needs enabled=yes and bindaddr/bindport of this address";
    return { ok: false, text: `Asterisk (ARI) at ${host} does not answer`, fix };
  }
};

const checkModules = async (ari: AriRest): Promise<AsteriskCheck> => {
  const modules = modulesSchema.parse(await ari.get("/asterisk/modules"));
  const running = new Set(modules.filter(({ status }) => status === "Running").map(({ name }) => name));
  const missing = Object.entries(NEEDED_MODULES).filter(([name]) => !running.has(name));
  if (missing.length === 0) return { ok: true, text: "Asterisk has the modules for calls and audio over WebSocket" };
  const text = missing.map(([name, without]) => `${name} (${without})`).join(", ");
  return { ok: false, text: `Asterisk runs without ${text}`, fix: "load them in modules.conf and restart Asterisk" };
};

/**
 * Whether Asterisk would send a call to this endpoint. Its state says "offline" for up to `qualify_frequency` after a start, when nobody has asked
 * the PBX yet, so a channel is made: that fails without an answer to OPTIONS. It is never dialled, and goes at once, its application being unknown.
 */
const canBeDialled = async (ari: AriRest, app: string, endpoint: string): Promise<boolean> => {
  const id = `${app}-check-${randomUUID()}`;
  try {
    const request = { id, app: `${app}-check`, endpoint: `PJSIP/check@${endpoint}`, formats: "alaw", variables: {} };
    await ari.createChannel(request);
    await ari.hangup(id, OUTCOME_FACTS.completed.q850);
    return true;
  } catch (error) {
    if (error instanceof AriError && error.status === 500) return false;
    throw error;
  }
};

const checkEndpoint = async (ari: AriRest, app: string, trunk: string, endpoint: string): Promise<AsteriskCheck> => {
  try {
    const { state } = endpointSchema.parse(await ari.get(`/endpoints/PJSIP/${encodeURIComponent(endpoint)}`));
    if (state !== "offline" || (await canBeDialled(ari, app, endpoint))) {
      return { ok: true, text: `trunk ${trunk}: PJSIP endpoint ${endpoint} is there` };
    }
    const fix =
      'check the address in the endpoint\'s aor, the PBX and the firewall ("pjsip show contacts", "pjsip set logger on")';
    return {
      ok: false,
      text: `trunk ${trunk}: the PBX behind PJSIP endpoint ${endpoint} does not answer OPTIONS`,
      fix,
    };
  } catch (error) {
    if (!(error instanceof AriError && error.status === 404)) throw error;
    const fix = 'name an endpoint of pjsip.conf ("pjsip show endpoints"), see sip-trunks/';
    return { ok: false, text: `trunk ${trunk}: Asterisk has no PJSIP endpoint ${endpoint}`, fix };
  }
};

/** The start-up checks of the engine, most basic first; those that need a failed one are left out. Never rejects, needs no running engine. */
export const checkAsterisk = async (options: AsteriskEngineOptions): Promise<readonly AsteriskCheck[]> => {
  try {
    const addresses = asteriskAddresses(options);
    const ari = createAriRest(addresses.rest, basicAuthorization(options));
    const server = await checkServer(ari, new URL(addresses.rest).host);
    if (!server.ok) return [server];
    const endpoints = [...options.trunks].map(([trunk, { endpoint }]) =>
      checkEndpoint(ari, options.app, trunk, endpoint),
    );
    return [server, ...(await Promise.all([checkModules(ari), ...endpoints]))];
  } catch (error) {
    const fix = error instanceof GatewayError ? "correct sip.asterisk in the configuration" : "see the log of Asterisk";
    return [{ ok: false, text: error instanceof Error ? error.message : String(error), fix }];
  }
};
