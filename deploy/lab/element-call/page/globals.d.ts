import type { LabHostApi, LabMicrophoneApi, PageEvent } from "./protocol.ts";

declare global {
  interface Window {
    labHost: LabHostApi;
    labMicrophone: LabMicrophoneApi;
    /** Exposed by Playwright in automated runs. */
    labEvent?: (event: PageEvent) => Promise<void>;
    /** Set by the start script of Node before any other script. */
    labCapture?: { readonly socketUrl: string; readonly toneHz: number; readonly toneLevelDbfs: number };
  }
}
