// From the room's state and the director's settings to what the compositor lays over the picture; and which words on the
// picture change when the director edits them. Pure.
// Not its job: switching (overlay-desk.ts), files (overlay-files.ts), drawing (media/overlay.ts).
import {
  maxTickerLine,
  maxTickerLines,
  type OverlaySettings,
  type Ticker,
} from '../../sfu-server/protocol/overlays.ts';
import type { Scene } from '../../sfu-server/protocol/state.ts';
import type { Overlays, QrCard } from './media/scene.ts';

/** What a director turns on and off by itself. A pinned message comes and goes with its words. */
export const overlayNames = ['qr', 'title', 'lowerThird', 'ticker', 'logo'] as const;
export type OverlayName = (typeof overlayNames)[number];

export const isShown = (scene: Scene, name: OverlayName): boolean => {
  switch (name) {
    case 'qr':
      return scene.qrVisible;
    case 'logo':
      return scene.logoVisible;
    case 'title':
    case 'lowerThird':
    case 'ticker':
      return scene[name] !== null;
  }
};

/** Between two lines of the ticker. */
const tickerGap = '   •   ';

/** `hasLogo`: its picture is on this machine. */
export const overlaysOf = (facts: {
  scene: Scene;
  settings: OverlaySettings;
  qr: QrCard | null;
  hasLogo: boolean;
}): Overlays => {
  const { scene, settings, qr, hasLogo } = facts;
  const { fileId, corner } = settings.logo;
  return {
    qr,
    lowerThird: scene.lowerThird,
    title: scene.title,
    logo: scene.logoVisible && hasLogo && fileId !== null ? { logoId: fileId, corner } : null,
    ticker: scene.ticker && { text: scene.ticker.lines.join(tickerGap) },
    pinned: scene.pinned,
    brand: settings.brand,
  };
};

/** The scene with an overlay on; null: it has no words yet. */
export const withWords = (
  settings: OverlaySettings,
  name: 'title' | 'lowerThird' | 'ticker',
): Partial<Scene> | null => {
  const { title, lowerThird, ticker } = settings;
  switch (name) {
    case 'title':
      return title.text.trim() === '' ? null : { title };
    case 'lowerThird':
      return lowerThird.title.trim() === '' ? null : { lowerThird };
    case 'ticker':
      return ticker.lines.length === 0 ? null : { ticker };
  }
};

/** What an edit of words changes on the picture: those that are on follow it, and without words they go. Null: nothing. */
export const followWords = (
  scene: Scene,
  before: OverlaySettings,
  now: OverlaySettings,
): Partial<Scene> | null => {
  const changes = (['title', 'lowerThird', 'ticker'] as const)
    .filter((name) => scene[name] !== null && JSON.stringify(before[name]) !== JSON.stringify(now[name]))
    .map((name): Partial<Scene> => withWords(now, name) ?? { [name]: null });
  return changes.length === 0 ? null : changes.reduce((all, each) => ({ ...all, ...each }));
};

/** What was typed, one line each. What is too much is left out. */
export const tickerOf = (typed: string): Ticker => ({
  lines: typed
    .split('\n')
    .map((line) => line.replaceAll(/\s+/g, ' ').trim().slice(0, maxTickerLine))
    .filter((line) => line !== '')
    .slice(0, maxTickerLines),
});
