/** What `main.ts` gives to browser-member.ts, as `window.sfuMember`. */
export interface PageMember {
  /** Resolves when the tone is published. */
  join(options: PageJoin): Promise<void>;
  /** @param key base64 */
  setKey(identity: string, index: number, key: string): Promise<void>;
  setTone(frequencyHz: number): void;
  setMuted(muted: boolean): Promise<void>;
  /** 16-bit samples of the last sixth of a second that a member's audio played; empty when there is none. */
  heard(identity: string): number[];
  /** Identities of those the SFU says speak. */
  speakers(): string[];
  /** Identities of those with a muted microphone. */
  muted(): string[];
}

export interface PageJoin {
  readonly url: string;
  readonly token: string;
  readonly encrypted: boolean;
  readonly toneHz: number;
}

export const PAGE_RATE_HZ = 48_000;
