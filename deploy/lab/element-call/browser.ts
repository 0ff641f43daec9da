import { type Browser, chromium } from "playwright-core";

import type { Progress } from "../cache.ts";
import { installChromium } from "../install/chromium.ts";

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  // Without these Chromium calls home at every start, which on a closed network is refused many times over.
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // Several pages share this browser: none of them may be slowed down because another one is in front.
  "--disable-background-timer-throttling",
  "--disable-backgrounding-occluded-windows",
  "--disable-renderer-backgrounding",
  // Devices without hardware, permission without a question, sound without a click, and no sound on this machine.
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
  "--autoplay-policy=no-user-gesture-required",
  "--mute-audio",
];

/** Chromium of the system, headless. */
export async function launchBrowser(progress: Progress): Promise<Browser> {
  const executablePath = await installChromium(progress);
  return chromium.launch({
    executablePath,
    args: FLAGS,
    // On a signal Playwright would end this process at once; whoever started the lab stops it in order.
    handleSIGINT: false,
    handleSIGTERM: false,
    handleSIGHUP: false,
  });
}
