// How the desktop app is started in development and packaged: Vite builds, what lies outside the asar, fuses, installers.
// Needs `dist/renderer` (the built pages) and MEDIASOUP_WORKER_BIN; `npm run package` provides both.
import { cpSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { MakerDeb } from '@electron-forge/maker-deb';
import { MakerDMG } from '@electron-forge/maker-dmg';
import { MakerSquirrel } from '@electron-forge/maker-squirrel';
import { MakerZIP } from '@electron-forge/maker-zip';
import { FusesPlugin } from '@electron-forge/plugin-fuses';
import { VitePlugin } from '@electron-forge/plugin-vite';
import type { ForgeConfig } from '@electron-forge/shared-types';
import { FuseV1Options, FuseVersion } from '@electron/fuses';
import * as z from 'zod/mini';

const pages = 'dist/renderer';
const worker = process.env.MEDIASOUP_WORKER_BIN;
/** Becomes `resources/node_modules`, where the server in the asar finds what cannot be bundled: sharp, which is native. */
const native = 'dist/native/node_modules';

/** sharp with what it needs at run time on the target, and nothing else of node_modules. */
const layOutSharp = (platform: string, arch: string): void => {
  const packageFolder = (name: string) => join('node_modules', ...name.split('/'));
  const { dependencies, optionalDependencies } = z
    .object({
      dependencies: z.record(z.string(), z.string()),
      optionalDependencies: z.record(z.string(), z.string()),
    })
    .parse(JSON.parse(readFileSync(join(packageFolder('sharp'), 'package.json'), 'utf8')));
  const binaries = Object.keys(optionalDependencies).filter((name) => name.endsWith(`-${platform}-${arch}`));
  rmSync(native, { recursive: true, force: true });
  for (const name of ['sharp', ...Object.keys(dependencies), ...binaries]) {
    if (!existsSync(packageFolder(name))) {
      throw new Error(
        `${name} is not installed. Package on ${platform}-${arch}, or install it for that target.`,
      );
    }
    cpSync(packageFolder(name), join(native, ...name.split('/')), { recursive: true, dereference: true });
  }
};

const config: ForgeConfig = {
  packagerConfig: {
    name: 'Live Drop Studio',
    executableName: 'live-drop-studio',
    appBundleId: 'com.livedropstudio.desktop',
    appCategoryType: 'public.app-category.video',
    asar: true,
    // The builds contain every package they use but sharp; there is no node_modules in the app to prune.
    prune: false,
    // A binary in an asar cannot be run, and the server streams pages and clips from plain files. See electron/main.ts.
    extraResource: [pages, 'assets', native, ...(worker === undefined ? [] : [worker])],
    // For machines that cannot reach Electron's downloads: a folder holding electron-v<version>-<platform>-<arch>.zip.
    electronZipDir: process.env.ELECTRON_ZIP_DIR,
    extendInfo: {
      NSCameraUsageDescription: 'The studio shows your cameras in the live program.',
      NSMicrophoneUsageDescription: 'The studio mixes your microphones into the live program.',
      NSLocalNetworkUsageDescription: 'Guests and fans on the same network connect to the studio directly.',
    },
  },
  makers: [
    new MakerZIP({}, ['linux', 'darwin', 'win32']),
    new MakerDeb({
      options: {
        name: 'live-drop-studio',
        bin: 'live-drop-studio',
        productName: 'Live Drop Studio',
        genericName: 'Live video studio',
        section: 'video',
        categories: ['AudioVideo', 'Video'],
      },
    }),
    new MakerDMG({ format: 'ULFO' }),
    new MakerSquirrel({ name: 'live_drop_studio', setupExe: 'Live Drop Studio Setup.exe' }),
  ],
  plugins: [
    new VitePlugin({
      build: [
        // One build for main process, server and media node: see its config for the three entries.
        { entry: 'electron/main.ts', config: 'electron/vite.main.config.ts', target: 'main' },
        { entry: 'electron/preload.ts', config: 'electron/vite.preload.config.ts', target: 'preload' },
      ],
      // The pages are built by renderer/vite.config.ts and served by the server, to the desktop app as to everybody.
      renderer: [],
    }),
    new FusesPlugin({
      version: FuseVersion.V1,
      strictlyRequireAllFuses: true,
      [FuseV1Options.RunAsNode]: false,
      [FuseV1Options.EnableCookieEncryption]: true,
      [FuseV1Options.EnableNodeOptionsEnvironmentVariable]: false,
      [FuseV1Options.EnableNodeCliInspectArguments]: false,
      [FuseV1Options.EnableEmbeddedAsarIntegrityValidation]: true,
      [FuseV1Options.OnlyLoadAppFromAsar]: true,
      [FuseV1Options.LoadBrowserProcessSpecificV8Snapshot]: false,
      [FuseV1Options.GrantFileProtocolExtraPrivileges]: false,
      [FuseV1Options.WasmTrapHandlers]: true,
    }),
  ],
  hooks: {
    prePackage: async (_config, platform, arch) => {
      if (worker === undefined || !existsSync(worker)) {
        throw new Error(
          'Set MEDIASOUP_WORKER_BIN to the mediasoup worker for the target, or use `npm run package`.',
        );
      }
      if (!existsSync(pages))
        throw new Error(`${pages} is missing. Build the pages first, or use \`npm run package\`.`);
      layOutSharp(platform, arch);
    },
  },
};

export default config;
