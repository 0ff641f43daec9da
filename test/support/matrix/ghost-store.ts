import type { GhostStore, UserProfile } from "../../../src/matrix/appservice/users.ts";

export const createMemoryGhostStore = (): GhostStore => {
  const profiles = new Map<string, UserProfile>();
  let avatar: string | undefined;
  return {
    get: (user) => profiles.get(user),
    put: (user, profile) => void profiles.set(user, profile),
    getAvatarUrl: () => avatar,
    setAvatarUrl: (mxc) => (avatar = mxc),
  };
};
