/**
 * Emergency numbers per country. libphonenumber-js knows none of them, and a number that reaches the police must never be dialled by accident.
 *
 * Sources: the `emergency` entries of ShortNumberMetadata of Google's libphonenumber 9.0, plus numbers that national regulators list and it
 * leaves out (Arcep for France and its overseas parts; the Spanish, Swiss, Italian, Austrian, Belgian and Indian plans). Where in doubt a
 * number is in the table: one too many costs a refusal in words, one too few a call to the police.
 */
const BY_COUNTRY: Readonly<Record<string, string>> = {
  AD: "110 112 116 118",
  AE: "112 997 998 999",
  AR: "100 101 107 911",
  AT: "112 122 133 140 141 144",
  AU: "000 106 112",
  BE: "100 101 102 112",
  BG: "112 150 160 166",
  BR: "112 128 190 192 193 911",
  CA: "112 911",
  CH: "112 117 118 143 144 145 147 1414 1415",
  CI: "110 111 170 180 185",
  CL: "131 132 133 911",
  CN: "110 119 120 122",
  CO: "112 119 123 125 132 156",
  CY: "112 199",
  CZ: "112 150 155 156 158",
  DE: "110 112",
  DK: "112 114",
  DZ: "14 17 112 1021 1548",
  EE: "110 112",
  EG: "122 123 180",
  ES: "061 062 080 085 088 091 092 112",
  FI: "112",
  FR: "15 17 18 112 114 115 119 191 196 116000",
  GB: "112 999",
  GF: "15 17 18 112 114 115 119 196",
  GP: "15 17 18 112 114 115 119 196",
  GR: "100 108 112 166 199",
  HK: "112 992 999",
  HR: "93 94 112 192 193 194 195",
  HU: "104 105 107 112",
  IE: "112 999",
  IL: "100 101 102 112",
  IN: "100 101 102 108 112 1091 1098 1298",
  IS: "112",
  IT: "112 113 114 115 117 118 1515 1530",
  JP: "110 118 119",
  KR: "112 117 119",
  LI: "112 117 118 144",
  LT: "01 02 03 011 022 033 101 102 103 112",
  LU: "112 113",
  LV: "01 02 03 110 112 113",
  MA: "15 19 112 150 177 190",
  MC: "15 17 18 112",
  MQ: "15 17 18 112 114 115 119 196",
  MT: "112",
  MX: "060 065 066 068 080 911",
  MY: "112 999",
  NC: "15 16 17 18 112",
  NL: "112 911",
  NO: "110 112 113",
  NZ: "111",
  PE: "105 106 116 117",
  PF: "15 16 17 18 112",
  PH: "112 117 911",
  PL: "112 997 998 999",
  PT: "112 115 117",
  RE: "15 17 18 112 114 115 119 196",
  RO: "112",
  RS: "92 93 94 112 192 193 194",
  RU: "01 02 03 101 102 103 112",
  SA: "112 911 997 998 999",
  SE: "112 90000",
  SG: "993 995 999",
  SI: "112 113",
  SK: "112 150 155 158",
  SN: "15 17 18 1515",
  TH: "191 199 1669",
  TN: "190 197 198",
  TR: "110 112 155 156",
  TW: "110 112 119",
  UA: "101 102 103 112",
  US: "112 911",
  YT: "15 17 18 112 114 115 119 196",
  ZA: "112 10111 10177",
};

/** ITU-T E.161.1 recommends these two everywhere; mobile networks and many PBXs redirect them whatever the country. */
const EVERYWHERE = ["112", "911"];

/** Emergency numbers that hold in a country, `112` and `911` among them in every one. */
export const emergencyNumbers = (country: string): readonly string[] => [
  ...new Set([...EVERYWHERE, ...(BY_COUNTRY[country]?.split(" ") ?? [])]),
];

/**
 * The emergency number that these digits reach, also from behind an outside-line prefix: `0112` is 112 on a PBX whose outside line is 0, and
 * `0` is tried even when no prefix is configured, as it is the usual one. Undefined for all other digits.
 */
export const emergencyReachedBy = (digits: string, country: string, outsideLinePrefix = "0"): string | undefined => {
  const numbers = emergencyNumbers(country);
  if (numbers.includes(digits)) return digits;
  for (const prefix of new Set([outsideLinePrefix, "0"])) {
    const rest = digits.startsWith(prefix) ? digits.slice(prefix.length) : "";
    if (numbers.includes(rest)) return rest;
  }
  return undefined;
};

/**
 * True for a short code that begins with an emergency number. A switch that reads digits one by one connects the emergency service at the
 * third digit of `1129` (libphonenumber's `connectsToEmergencyNumber` warns of the same).
 */
export const beginsWithEmergency = (digits: string, country: string): boolean =>
  emergencyNumbers(country).some((number) => digits.startsWith(number));
