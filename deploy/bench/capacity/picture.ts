/** The capacity table as a picture: CPU per phone over the number of phones, one line per part. */
import type { CapacityRow } from "./measure.ts";

const WIDTH = 750;
const HEIGHT = 400;
const PLOT = { left: 60, right: 560, top: 40, bottom: 340 } as const;
const PARTS = [
  { part: "gateway", color: "#0a6e5c", words: "gateway" },
  { part: "asterisk", color: "#c4622d", words: "its Asterisk" },
  { part: "sfu", color: "#3d5a98", words: "SFU" },
] as const;

/** A round step that gives about five lines. */
const stepFor = (most: number): number => {
  const rough = most / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough)!;
};

const text = (x: number, y: number, words: string, extra = ""): string =>
  `<text x="${x}" y="${y}"${extra}>${words}</text>`;

/** SVG. The first row of each client (one phone: all fixed costs) is left out, it would flatten the rest. */
export const capacityPicture = (rows: readonly CapacityRow[], machine: string): string => {
  const shown = rows.filter(({ phones }) => phones > 1);
  const mostPhones = Math.max(...shown.map(({ phones }) => phones), 10);
  const mostPercent = Math.max(...shown.flatMap((row) => PARTS.map(({ part }) => row[part])), 1);
  const step = stepFor(mostPercent);
  const top = Math.ceil(mostPercent / step) * step;
  const x = (phones: number): number => PLOT.left + ((PLOT.right - PLOT.left) * phones) / mostPhones;
  const y = (percent: number): number => PLOT.bottom - ((PLOT.bottom - PLOT.top) * percent) / top;
  const fixed = (value: number): string => value.toFixed(1);

  const grid = Array.from({ length: Math.round(top / step) + 1 }, (_, i) => i * step).flatMap((percent) => [
    `<line x1="${PLOT.left}" x2="${PLOT.right}" y1="${fixed(y(percent))}" y2="${fixed(y(percent))}" stroke="#ddd"/>`,
    text(PLOT.left - 8, y(percent) + 4, String(Number(percent.toFixed(2))), ` text-anchor="end"`),
  ]);
  const counts = [...new Set(shown.map(({ phones }) => phones))].map((phones) =>
    text(x(phones), PLOT.bottom + 18, String(phones), ` text-anchor="middle"`),
  );
  const clients = [...new Set(shown.map(({ client }) => client))];
  const lines = clients.flatMap((client, c) =>
    PARTS.map(({ part, color }) => {
      const points = shown
        .filter((row) => row.client === client)
        .map((row) => `${fixed(x(row.phones))},${fixed(y(row[part]))}`);
      const dashes = c === 0 ? "" : ` stroke-dasharray="5 4"`;
      return `<polyline points="${points.join(" ")}" fill="none" stroke="${color}" stroke-width="2"${dashes}/>`;
    }),
  );
  const legend = clients.flatMap((client, c) =>
    PARTS.flatMap(({ color, words }, i) => {
      const at = PLOT.top + 20 * (c * PARTS.length + i) + 10 * c;
      const dashes = c === 0 ? "" : ` stroke-dasharray="5 4"`;
      return [
        `<line x1="${PLOT.right + 20}" x2="${PLOT.right + 50}" y1="${at}" y2="${at}" stroke="${color}" stroke-width="2"${dashes}/>`,
        text(PLOT.right + 56, at + 4, `${words}, ${client}`),
      ];
    }),
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="white"/>`,
    text(PLOT.left, 20, "CPU per phone, % of one core, in one encrypted conference", ` font-size="14"`),
    ...grid,
    ...counts,
    ...lines,
    ...legend,
    text((PLOT.left + PLOT.right) / 2, PLOT.bottom + 38, "phones", ` text-anchor="middle"`),
    text(PLOT.left, HEIGHT - 6, machine, ` fill="#666"`),
    "</svg>",
    "",
  ].join("\n");
};
