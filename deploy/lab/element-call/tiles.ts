import type { Frame } from "playwright-core";

/** A tile of Element Call as a person sees it. */
export interface Tile {
  readonly name: string;
  /** Words over the tile such as "Waiting for media..."; empty when there are none. */
  readonly status: string;
  /** The icon beside the name; `unknown` when the tile shows none. */
  readonly microphone: "on" | "off" | "unknown";
  readonly speaking: boolean;
  readonly handRaised: boolean;
  /** The avatar shows a picture, not a letter. */
  readonly picture: boolean;
  /** Element Call's warning that this member's media is not encrypted. */
  readonly unencrypted: boolean;
}

// Runs in the page. Class names are CSS modules: name, hash, line.
const READ_TILES = `[...document.querySelectorAll('[data-testid="videoTile"]')].map((tile) => {
  const labels = [...tile.querySelectorAll("[aria-label]")].map((element) => element.getAttribute("aria-label"));
  return {
    name: tile.querySelector('[data-testid="name_tag"]')?.textContent ?? "",
    status: [...tile.querySelectorAll('[class*="_status_"]')].map((element) => element.textContent).join(" "),
    microphone: labels.includes("Microphone on") ? "on" : labels.includes("Microphone off") ? "off" : "unknown",
    speaking: /_speaking_/.test(tile.className),
    handRaised: [...tile.querySelectorAll('[class*="_reactionIndicatorWidget_"]')].some((one) => one.textContent.includes("✋")),
    picture: [...tile.querySelectorAll("img")].some((image) => image.complete && image.naturalWidth > 0),
    unencrypted: labels.includes("Not encrypted"),
  };
})`;

export const readTiles = (frame: Frame): Promise<Tile[]> => frame.evaluate(READ_TILES);

/** Text of the whole page, for error messages. */
export const readText = (frame: Frame): Promise<string> =>
  frame.evaluate("document.body.innerText.replace(/\\s+/g, ' ').slice(0, 400)");
