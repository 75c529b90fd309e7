// The one vitest configuration. Everything here runs in Node; browsers are real Chromiums driven by playwright-core.
import { defineConfig } from 'vitest/config';

/**
 * Computing and SQLite only: nothing in them depends on how fast the machine is, so they run side by side and may not fail once.
 * They replace nothing global, so a process may go from file to file: starting one for each took half of their time.
 */
const quiet = [
  'tests/architecture.test.ts',
  'tests/protocol/*.test.ts',
  'tests/media/{chooser,ingest-clock,rtp}.test.ts',
  'tests/renderer/{chat,clap,connection-words,feeds,ladder,loudness,offer,program-sending,recording,session,session-playback,sound-desk,standby-copy,studio-frame,studio-log,studio-words}.test.ts',
  'tests/renderer/{frame-pace,production-desk,program-watch,rounds,scenes,source-loss}.test.ts',
  'tests/sfu-server/{chat,config,encoder-keys,productions,store}.test.ts',
  'tests/shop/{csv,drops,holds,images,money,orders,payments}.test.ts',
  'tests/studio-media/{channel-strip,colour,i420,scene,sound-meter,steered-buffer,timed-buffer}.test.ts',
  'tests/electron/{ipc,keyring,recordings}.test.ts',
];

/** Real servers, processes, databases and pages, but no media that runs in real time: two files at once, one per core. */
const servers = [
  'tests/sfu-server/{chat-door,clips,joining,server,shutdown,whip}.test.ts',
  'tests/shop/{drop-mails,order-server,shop-door}.test.ts',
  'tests/scripts/*.test.ts',
  'tests/electron/{desktop,server-process}.test.ts',
  'tests/media/standby.test.ts',
];

/** Sound and packets in real time, each about half a core: two files at once, three disturbed each other. */
const light = [
  'tests/media/{program-bus,recorder}.test.ts',
  'tests/studio-media/{devices,hot-plug,mixer,sound-desk}.test.ts',
  'tests/sfu-server/failures.test.ts',
];

/** Pictures in real time on one page, which take most of a core: two files at once. */
const pictures = [
  'tests/studio-media/{backends,clip-import,compositor,compositor-desk,hidden-window,picture-sources,source-files,source-health}.test.ts',
];

/** A small studio and a fan, pages without media, or a part of the server, who wait for what they see and measure nothing: two files at once. */
const smallShows = [
  'tests/e2e/{chat,connection,drop,node-death,recovery,server-death,standby-clip,trouble,viewer}.test.ts',
  'tests/renderer/session-media.test.ts',
  'tests/media/node.test.ts',
  'tests/electron/packaging.test.ts',
];

/** A page that is closed rejects what was still waited for on it: that is how a test that failed ends, which its second try answers. */
const isOfClosedPage = ({ message }: { message: string }): boolean =>
  /(Target page, context or browser has been closed|Execution context was destroyed)/.test(message);

/** When the machine stalls for a moment nobody is to blame; a test that fails three times in a row has a reason. */
const retry = 2;

export default defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    projects: [
      {
        extends: true,
        test: {
          name: 'quiet',
          include: quiet,
          // Said outright: on two cores the default is one, and a group of one is run last.
          maxWorkers: 2,
          isolate: false,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: { name: 'real server', include: servers, maxWorkers: 2, retry, sequence: { groupOrder: 1 } },
      },
      {
        extends: true,
        test: { name: 'light media', include: light, maxWorkers: 2, retry, sequence: { groupOrder: 2 } },
      },
      {
        extends: true,
        test: { name: 'pictures', include: pictures, maxWorkers: 2, retry, sequence: { groupOrder: 3 } },
      },
      {
        extends: true,
        test: { name: 'small shows', include: smallShows, maxWorkers: 2, retry, sequence: { groupOrder: 4 } },
      },
      {
        extends: true,
        test: {
          name: 'real media',
          include: ['tests/**/*.test.ts'],
          exclude: ['tests/bench/**', ...quiet, ...servers, ...light, ...pictures, ...smallShows],
          // The whole studio with its guests and fans, or with three encoders, takes both cores: one file at a time.
          fileParallelism: false,
          retry,
          sequence: { groupOrder: 5 },
        },
      },
    ],
    onUnhandledError: (error) => !isOfClosedPage(error),
    // Ways to say "it hangs", not how fast anything should be: a machine three times slower must not meet one of them.
    testTimeout: 240_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 60_000 } },
  },
});
