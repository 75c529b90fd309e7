// The one vitest configuration. Everything here runs in Node; browsers are real Chromiums driven by playwright-core.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    include: ['tests/**/*.test.ts'],
    exclude: ['tests/bench/**'],
    globalSetup: [],
    // Two cores: media tests measure time, so files run one after another.
    fileParallelism: false,
    // Real media in real time: when the machine stalls for a moment, sound or frames are missing and nobody is to blame.
    // A test that fails three times in a row has a reason.
    retry: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
