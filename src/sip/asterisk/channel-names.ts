import { randomBytes } from "node:crypto";

import { type LegId, legId } from "../../ids.ts";

/**
 * Ids of the things a leg has in Asterisk, chosen by us so that they are found again after a crash: `<app>.<leg>.<kind>-<random>`.
 * Asterisk finds channels by any prefix of their id and refuses an id that is a prefix of another's (22.10: 409 "already exists"), so
 * all end in random characters of one length; these also keep a second try of the same leg apart from what is left of the first.
 */
export interface LegNames {
  readonly phone: string;
  readonly bridge: string;
  /** A new id each time: media is renewed while the old channel still exists. */
  media(): string;
}

/** Leg of a call that came to us: Asterisk has named its channel, so the leg is named after that. */
export const inboundLegId = (channel: string): LegId => legId(`in-${channel}`);

/** The channel of such a leg; undefined for legs that we dialled. */
export const inboundChannelOf = (leg: LegId): string | undefined => (leg.startsWith("in-") ? leg.slice(3) : undefined);

export interface OwnedName {
  readonly leg: LegId;
  readonly kind: "phone" | "bridge" | "media";
}

const OWNED = /^(.+)\.(phone|bridge|media)-[0-9a-f]{8}$/;
const random = (): string => randomBytes(4).toString("hex");

export const legNames = (app: string, leg: LegId): LegNames => ({
  phone: `${app}.${leg}.phone-${random()}`,
  bridge: `${app}.${leg}.bridge-${random()}`,
  media: () => `${app}.${leg}.media-${random()}`,
});

/** What a channel or bridge id of Asterisk is to us; undefined for what another program made. */
export const ownedName = (app: string, id: string): OwnedName | undefined => {
  if (!id.startsWith(`${app}.`)) return undefined;
  const [, leg, kind] = OWNED.exec(id.slice(app.length + 1)) ?? [];
  return leg === undefined ? undefined : { leg: legId(leg), kind: kind as OwnedName["kind"] };
};
