// One project per kind of test: unit (pure, milliseconds), integration (one adapter against its real server or a
// fake on a socket), e2e (whole calls on the real stack). ESM needs --experimental-vm-modules, see package.json.
const base = {
  testEnvironment: "node",
  extensionsToTreatAsEsm: [".ts"],
  transform: {
    "^.+\\.ts$": [
      "@swc/jest",
      { jsc: { target: "es2023", parser: { syntax: "typescript" } }, module: { type: "es6" } },
    ],
  },
};

// Generous, because what a test waits for has a bound of its own that says what is missing.
const TIMEOUTS_MS = { unit: 30_000, integration: 120_000, e2e: 180_000 };

const project = (displayName) => ({
  ...base,
  displayName,
  testTimeout: TIMEOUTS_MS[displayName],
  testMatch: [`<rootDir>/test/${displayName}/**/*.test.ts`],
});

export default {
  projects: [
    { ...project("unit"), setupFiles: ["<rootDir>/test/support/opus-wasm.js"] },
    project("integration"),
    project("e2e"),
  ],
  // matrix-js-sdk's stopClient() leaves an uncleared 80-110 s request timer behind.
  forceExit: true,
};
