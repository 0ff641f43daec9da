import type { RemoteTrack, SfuClient } from "../../../src/media/sfu/port.ts";

/** A connection to an SFU that sends nothing and hears nothing, with these tracks of others. */
export const silentSfuClient = (tracks: readonly RemoteTrack[]): SfuClient => {
  const client: Partial<SfuClient> = {
    connect: async () => {},
    close: async () => {},
    send: () => {},
    skip: () => {},
    flush: () => {},
    listen: () => {},
    review: () => {},
    remoteTracks: () => tracks,
  };
  return client as SfuClient;
};
