/** Number of single-letter changes from one word to the other (Levenshtein). */
const distance = (from: string, to: string): number => {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [fromIndex, fromLetter] of from.split("").entries()) {
    const next = [fromIndex + 1];
    for (const [toIndex, toLetter] of to.split("").entries()) {
      const replaced = (row[toIndex] ?? 0) + (fromLetter === toLetter ? 0 : 1);
      next.push(Math.min(replaced, (row[toIndex + 1] ?? 0) + 1, (next[toIndex] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
};

/** The known word that was probably meant, if one is close enough. */
const suggest = (word: string, known: readonly string[]): string | undefined => {
  const allowed = Math.max(1, Math.floor(word.length / 3));
  return known
    .map((candidate) => ({ candidate, away: distance(word.toLowerCase(), candidate) }))
    .filter(({ away }) => away <= allowed)
    .sort((a, b) => a.away - b.away)[0]?.candidate;
};

export const didYouMean = (word: string, known: readonly string[]): string => {
  const meant = suggest(word, known);
  return meant === undefined ? "" : `; did you mean ${meant}?`;
};
