/** Ghost ids hold phone numbers, in URLs percent-encoded: `tel_+33140506070` becomes `tel_+33*****70`. */
export const maskGhosts = (text: string): string =>
  text.replace(
    /(tel_(?:\+|%2B)?)(\d{3,})/gi,
    (_, prefix: string, digits: string) =>
      prefix + (digits.length < 7 ? "*".repeat(digits.length) : `${digits.slice(0, 2)}*****${digits.slice(-2)}`),
  );
