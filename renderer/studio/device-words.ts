// Words about devices and pictures that several panels use: what there is to choose from, and how a chosen one does. Pure.
import type { Choice } from '../ui/controls.tsx';
import type { DeviceIdentity, DeviceKind, SlotState } from '../ui/devices.ts';
import { formatDuration } from '../ui/format.ts';
import type { PictureHealth } from './media/source-health.ts';

/** The value of the choice that lets a device go. */
export const noDevice = '';

export const deviceChoices = (
  state: SlotState,
  devices: readonly DeviceIdentity[],
  kind: DeviceKind,
): Choice[] => {
  const named = devices.filter(({ deviceId }) => deviceId !== '');
  const choices = named.map(({ deviceId, label }) => ({
    value: deviceId,
    text: shortLabel(label) || `A ${kind}`,
  }));
  // The chosen one stays in the list while it is unplugged.
  if ('identity' in state && !named.some(({ deviceId }) => deviceId === state.identity.deviceId)) {
    choices.unshift({ value: state.identity.deviceId, text: shortLabel(state.identity.label) });
  }
  return [{ value: noDevice, text: `No ${kind}` }, ...choices];
};

/** Chromium appends USB ids in brackets, which tell a director nothing. */
export const shortLabel = (label: string): string => label.replace(/ \([0-9a-f]{4}:[0-9a-f]{4}\)$/i, '');

export type StateWords = { readonly tone: 'off' | 'fine' | 'look'; readonly text: string };

/** In a word or two; a live device may have more to say than this. */
export const slotWords = (state: SlotState, nowMs: number): StateWords => {
  switch (state.kind) {
    case 'empty':
      return { tone: 'off', text: 'off' };
    case 'opening':
      return { tone: 'off', text: 'opening' };
    case 'live':
      return { tone: 'fine', text: 'live' };
    case 'unplugged':
      return { tone: 'look', text: `unplugged ${formatDuration(nowMs - state.sinceMs)} ago` };
    case 'failed':
      return { tone: 'look', text: failedWord[state.problem.kind] };
  }
};

/** Why a device could not be opened, in a word or three. */
export const failedWord = {
  denied: 'not allowed',
  insecure: 'needs https',
  none: 'none connected',
  busy: 'in use elsewhere',
  'timed-out': 'did not open',
  gone: 'not connected',
  cancelled: 'off',
  unknown: 'cannot open',
} as const;

/**
 * How a source goes without being told to, in the word that stands after its name: a cable, somebody who ended the sharing, an
 * encoder that sends no more. `fix`: what is to be done; `returns`: what brings it back, in the log.
 */
export const goneWords = {
  unplugged: { fix: 'Plug it back in: it returns by itself.', returns: 'It returns when plugged in.' },
  ended: { fix: 'Share it again under Sources.', returns: 'It returns when shared again.' },
  left: { fix: 'It returns by itself when it sends again.', returns: 'It returns when it sends again.' },
} as const satisfies Record<string, { fix: string; returns: string }>;
export type Gone = keyof typeof goneWords;

/** What is wrong with a picture, the same wherever it is said: by itself, and after a source's name. */
export const pictureTrouble = {
  stopped: { word: 'no pictures', now: 'sends no pictures', since: 'has sent no pictures' },
  frozen: { word: 'frozen', now: 'is frozen', since: 'has been frozen' },
  black: { word: 'black', now: 'is black', since: 'has been black' },
} as const satisfies Record<Exclude<PictureHealth['kind'], 'waiting' | 'moving'>, object>;
