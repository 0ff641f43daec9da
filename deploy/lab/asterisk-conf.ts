// Asterisk's configuration files: "[section]" lines, "key=value" lines, "#include" lines, ";" comments. One overlay file
// changes several of them; "; ==== FILE" lines in it say which.

/** The parts of an overlay by file name. */
export function splitOverlay(overlay: string): Map<string, string> {
  const parts = new Map<string, string>();
  for (const part of overlay.split(/^; ==== /m).slice(1)) {
    const end = part.indexOf("\n");
    parts.set(part.slice(0, end).trim(), part.slice(end + 1));
  }
  return parts;
}

interface Section {
  /** As written, with brackets; "" before the first. */
  heading: string;
  lines: string[];
}

function sectionsOf(text: string): Section[] {
  const sections: Section[] = [{ heading: "", lines: [] }];
  for (const line of text.split("\n")) {
    if (/^\[.+\]/.test(line)) sections.push({ heading: line.trim(), lines: [] });
    else sections.at(-1)!.lines.push(line);
  }
  return sections;
}

const keyOf = (line: string): string | undefined => /^([^;#=\s][^=]*?)\s*=>?/.exec(line)?.[1];
const isContent = (line: string): boolean => line.trim() !== "" && !line.startsWith(";");

/**
 * `shipped` with an overlay: a key of the overlay replaces every line with that key in the section of the same name
 * (appending would not do: contact= and match= of pjsip.conf add up), unknown sections and lines before the first
 * section go to the end.
 */
export function applyOverlay(shipped: string, overlay: string): string {
  const sections = sectionsOf(shipped);
  const atEnd: Section[] = [];
  for (const change of sectionsOf(overlay)) {
    const content = change.lines.filter(isContent);
    const target = change.heading === "" ? undefined : sections.find(({ heading }) => heading === change.heading);
    if (target === undefined) {
      if (content.length > 0) atEnd.push({ heading: change.heading, lines: content });
      continue;
    }
    const replaced = new Set(content.map(keyOf));
    target.lines = target.lines.filter((line) => !isContent(line) || !replaced.has(keyOf(line)));
    target.lines.push(...content);
  }
  return [...sections, ...atEnd]
    .flatMap(({ heading, lines }) => (heading === "" ? lines : [heading, ...lines]))
    .join("\n");
}
