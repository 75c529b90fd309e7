// Looks at everything the field card speaks of: listens for each microphone, opens the viewer link and the standby clip for real,
// asks the machine for its battery. Not its job: judging (preflight.ts) or asking the director (engine.ts).
import { createStore, type StoreApi } from 'zustand/vanilla';
import { featuredProduct } from '../../sfu-server/protocol/state.ts';
import type { Session } from '../session/session.ts';
import { connectionWords, factsOf, type ConnectionDesk } from './connection.ts';
import type { Settings } from './settings.ts';
import type { Mixer } from './media/mixer.ts';
import {
  fieldCard,
  speechDb,
  type CardFacts,
  type CardItem,
  type Heard,
  type Reached,
  type RecordingReport,
  type UplinkReport,
} from './preflight.ts';
import type { Pipeline, SourceReport } from './source-report.ts';

export interface Preflight {
  /** What was found by opening things; the rest is looked at when it is asked for. */
  readonly store: StoreApi<{ link: Reached; clip: Reached }>;
  /** Opens link and clip again. Never rejects; takes at most a few seconds. */
  check(): Promise<void>;
  /** The card as it is at this moment. */
  items(): CardItem[];
  close(): void;
}

const reachTimeoutMs = 4_000;

/** Opens an address for real, past every cache. Of another origin only whether anything answers can be known. */
const reach = async (url: string): Promise<Reached> => {
  const startedMs = performance.now();
  const elsewhere = new URL(url, location.href).origin !== location.origin;
  try {
    const response = await fetch(url, {
      cache: 'no-store',
      mode: elsewhere ? 'no-cors' : 'same-origin',
      signal: AbortSignal.timeout(reachTimeoutMs),
    });
    await response.body?.cancel();
    if (!elsewhere && !response.ok) return { kind: 'failed', text: `the server answers ${response.status}.` };
    return { kind: 'ok', tookMs: Math.round(performance.now() - startedMs) };
  } catch (error) {
    const late = error instanceof DOMException && error.name === 'TimeoutError';
    if (!late && !(error instanceof TypeError)) throw error;
    return { kind: 'failed', text: late ? 'nothing answers.' : 'it cannot be reached.' };
  }
};

declare global {
  interface Navigator {
    /** Chromium's; TypeScript's DOM library does not know it. */
    getBattery?(): Promise<{ readonly charging: boolean; readonly level: number }>;
  }
}

const askBattery = async (): Promise<CardFacts['power']> => {
  const battery = await navigator.getBattery?.();
  return battery ? { charging: battery.charging, level: battery.level } : null;
};

export const createPreflight = (options: {
  session: Session;
  settings: Settings;
  mixer: Mixer;
  connection: ConnectionDesk;
  sources: () => SourceReport[];
  pipeline: () => Pipeline;
  recording: () => RecordingReport;
  luts: () => CardFacts['luts'];
}): Preflight => {
  const { session, settings, mixer, connection, pipeline } = options;
  const store = createStore<{ link: Reached; clip: Reached }>(() => ({
    link: { kind: 'unknown' },
    clip: { kind: 'unknown' },
  }));
  const heard: Record<string, Heard> = {};
  let power: CardFacts['power'] = null;

  const stopListening = mixer.onMeters((reading) => {
    const nowMs = Date.now();
    for (const id of Object.keys(heard)) if (!reading.inputs[id]) delete heard[id];
    for (const [id, { peakDb }] of Object.entries(reading.inputs)) {
      const one = (heard[id] ??= { onSinceMs: nowMs, lastMs: null });
      if (peakDb > speechDb) one.lastMs = nowMs;
    }
  });

  const viewerLink = (): string | null => {
    const { connection, show } = session.store.getState();
    return connection.kind === 'joined' && show ? `${connection.publicOrigin}/watch/${show.id}` : null;
  };

  const uplink = (): UplinkReport => {
    const test = connection.test();
    if (test.kind !== 'done') return test;
    const words = connectionWords(factsOf(test.report, settings.store.getState()));
    return { kind: 'done', atMs: test.report.atMs, words };
  };

  const check = async () => {
    const url = viewerLink();
    const clipUrl = session.store.getState().show?.standby.fallbackUrl;
    store.setState({ link: { kind: 'looking' }, clip: { kind: 'looking' } });
    const unreached: Reached = { kind: 'failed', text: 'there is no connection to the server.' };
    const [, , said] = await Promise.all([
      (url === null ? Promise.resolve(unreached) : reach(url)).then((link) => store.setState({ link })),
      (clipUrl === undefined ? Promise.resolve(unreached) : reach(clipUrl)).then((clip) =>
        store.setState({ clip }),
      ),
      askBattery(),
    ]);
    power = said;
  };

  return {
    store,
    check,
    items: () => {
      const { show } = session.store.getState();
      const { link, clip } = store.getState();
      const featured = show && featuredProduct(show);
      const url = viewerLink();
      return fieldCard({
        nowMs: Date.now(),
        sources: options.sources(),
        heard,
        luts: options.luts(),
        latePct: pipeline().latePct,
        recording: options.recording(),
        standby: {
          name: show?.standby.name ?? '',
          builtIn: show?.standby.clipId === null,
          problem: show?.standby.problem ?? null,
          file: clip,
        },
        uplink: uplink(),
        products: {
          count: show?.products.length ?? 0,
          featured: featured ? { name: featured.name, left: featured.stock.left } : null,
        },
        link: url === null ? null : { url, reached: link },
        power,
      });
    },
    close: stopListening,
  };
};
