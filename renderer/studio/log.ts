// The show's log in plain words: what happened and what the studio did about it. Two views of the desk a moment apart become
// lines; a list of lines is kept within bounds and over a reload of the page.
// Not its job: looking at the desk (log-facts.ts), drawing (log-panel.tsx), or what is wrong right now (health.ts).
import * as z from 'zod/mini';
import { createStore, type StoreApi } from 'zustand/vanilla';
import type { DropState } from '../../sfu-server/protocol/shop.ts';
import type { OnAirSource, ShowPhase, SwitchReason } from '../../sfu-server/protocol/state.ts';
import { goneWords, pictureTrouble, type Gone } from './device-words.ts';
import { standbyBecause, type Tone } from './health.ts';

export type SourceCondition =
  | 'off'
  | 'opening'
  | 'live'
  | Gone
  | 'failed'
  // Pictures.
  | 'stopped'
  | 'frozen'
  | 'black'
  // Sounds.
  | 'silent'
  | 'clipped';

/** One camera, microphone or other source, as far as the log speaks of it. */
export type SourceFacts = {
  id: string;
  name: string;
  medium: 'picture' | 'sound';
  condition: SourceCondition;
  /** What is shown or heard in its place, by name; null: nothing is. */
  instead: string | null;
  /** A sentence about a failure; null without one. */
  failure: string | null;
};

/** What the log watches. */
export type LogFacts = {
  connection: 'connecting' | 'joined' | 'reconnecting' | 'refused';
  /** Null before the first state has come. */
  show: {
    id: string;
    title: string;
    phase: ShowPhase['kind'];
    source: OnAirSource;
    reason: SwitchReason;
    standbyName: string;
    guests: readonly { id: string; name: string; here: boolean; onProgram: boolean }[];
    drops: readonly { id: string; name: string; state: DropState }[];
    products: readonly { id: string; name: string; soldOut: boolean }[];
  } | null;
  sources: readonly SourceFacts[];
  uplink: 'unknown' | 'good' | 'lossy' | 'slow';
  /** This machine's recording; `note` is what it last said that is not well. */
  recording: { on: boolean; name: string; note: { tone: 'look' | 'wrong'; text: string } | null };
  /** Why the server does not record; null: it does, or need not. */
  recordingStopped: string | null;
  /** Sentences of the desk itself: what could not be sent, composed or done. */
  sendingFailed: string | null;
  fault: string | null;
  trouble: string | null;
};

type Words = { tone: Tone; text: string };

const line = (tone: Tone, text: string): Words => ({ tone, text });

/** What changed between two views, in words; the first view has none before it. Pure. */
export const changesInWords = (before: LogFacts | null, now: LogFacts): Words[] => [
  ...connectionWords(before, now),
  ...showWords(before, now),
  ...programWords(before, now),
  ...now.sources.flatMap((source) =>
    sourceWords(
      before?.sources.find(({ id }) => id === source.id),
      source,
    ),
  ),
  ...peopleWords(before, now),
  ...shopWords(before, now),
  ...uplinkWords(before, now),
  ...recordingWords(before, now),
  ...sentences(before, now),
];

const connectionWords = (before: LogFacts | null, { connection, show }: LogFacts): Words[] => {
  const was = before?.connection;
  if (connection === 'reconnecting' && was === 'joined') {
    return show?.phase === 'live'
      ? [line('wrong', 'The server is out of reach. Fans see the standby clip; trying again by itself.')]
      : [line('look', 'The server is out of reach. Trying again by itself.')];
  }
  if (connection === 'joined' && was === 'reconnecting') return [line('fine', 'The server is back.')];
  return [];
};

const showWords = (before: LogFacts | null, { show }: LogFacts): Words[] => {
  if (!show) return [];
  const was = before?.show;
  if (!was) {
    const words = {
      setup: 'before the show',
      live: show.source === 'standby' ? 'the show is on, fans see the standby clip' : 'the show is on',
      ended: 'the show has ended',
    };
    return [line('fine', `Studio opened on “${show.title}”: ${words[show.phase]}.`)];
  }
  if (was.id !== show.id) return [line('fine', `Next show prepared: “${show.title}”.`)];
  if (was.phase === show.phase) return [];
  if (show.phase === 'live') return [line('fine', 'Live.')];
  return show.phase === 'ended' ? [line('fine', 'The show has ended. Fans see the closing page.')] : [];
};

const programWords = (before: LogFacts | null, { show }: LogFacts): Words[] => {
  const was = before?.show;
  if (!was || !show || show.phase !== 'live' || was.source === show.source) return [];
  if (show.source === 'standby') {
    return show.reason === 'directorLock'
      ? [line('look', `Standby locked: fans see “${show.standbyName}”.`)]
      : [line('wrong', `Standby clip on air: ${standbyBecause[show.reason]}. It goes back by itself.`)];
  }
  // From nothing on air to the studio's picture is what "Live." has said.
  return was.source === 'standby' && show.source === 'studio'
    ? [line('fine', 'Program is back on the studio’s picture.')]
    : [];
};

const pictureWords: Partial<Record<SourceCondition, string>> = {
  stopped: pictureTrouble.stopped.now,
  frozen: pictureTrouble.frozen.now,
  black: pictureTrouble.black.now,
};
const soundTrouble: Partial<Record<SourceCondition, string>> = {
  silent: 'has gone silent',
};

const isGone = (condition: SourceCondition): condition is Gone => condition in goneWords;

const sourceWords = (before: SourceFacts | undefined, now: SourceFacts): Words[] => {
  const was = before?.condition ?? 'off';
  const { name, medium, condition, instead } = now;
  const trouble = medium === 'picture' ? pictureWords : soundTrouble;
  const shown = medium === 'picture' ? `Showing ${instead}.` : `${instead} takes over.`;
  const problem = isGone(condition) ? condition : trouble[condition];
  const back = medium === 'picture' ? `${name} is back in its place.` : `${name} is heard again.`;
  if (condition === was) {
    // The stand-in came, changed or went a moment later.
    if (instead === (before?.instead ?? null)) return [];
    if (instead !== null) return [line('look', `${name} ${problem ?? 'is missing'}. ${shown}`)];
    return condition === 'live' && medium === 'picture' ? [line('fine', back)] : [];
  }
  if (problem !== undefined) {
    const held = medium === 'picture' ? 'Holding its last picture.' : 'The other microphones go on.';
    const returns = isGone(condition) ? ` ${goneWords[condition].returns}` : '';
    return [line('wrong', `${name} ${problem}. ${instead !== null ? shown : held}${returns}`)];
  }
  if (condition === 'live') {
    if (was === 'off' || was === 'opening') return [line('fine', `${name} is on.`)];
    // It has a picture, and gets its place once that is steady.
    if (was === 'clipped' || (medium === 'picture' && instead !== null)) return [];
    return [line('fine', back)];
  }
  if (condition === 'clipped')
    return [line('look', `${name} is too loud and distorts. Turn it down at the mixer.`)];
  if (condition === 'failed') return [line('look', now.failure ?? `${name} could not be opened.`)];
  // What was only being opened has never been on: an encoder whose feed has not come yet, a camera that was not allowed.
  return condition === 'off' && was !== 'opening' ? [line('fine', `${name} turned off.`)] : [];
};

const peopleWords = (before: LogFacts | null, { show }: LogFacts): Words[] => {
  const was = before?.show;
  if (!was || !show) return [];
  return show.guests.flatMap((guest) => {
    const earlier = was.guests.find(({ id }) => id === guest.id);
    const wasHere = earlier?.here ?? false;
    if (guest.here && !wasHere) return [line('fine', `${guest.name} is here.`)];
    if (!guest.here && wasHere) {
      return earlier?.onProgram
        ? [line('look', `${guest.name} is gone while on program. Showing the camera.`)]
        : [line('fine', `${guest.name} left.`)];
    }
    const wasOn = earlier?.onProgram ?? false;
    if (guest.onProgram === wasOn || !guest.here) return [];
    return [line('fine', `${guest.name} ${guest.onProgram ? 'on' : 'off'} program.`)];
  });
};

const endedBecause = {
  time: 'time is up',
  director: 'ended at the desk',
  nextDrop: 'another one began',
  showEnd: 'the show ended',
} as const;

const dropWords = (state: DropState, was: DropState['kind']): string | null => {
  switch (state.kind) {
    case 'countdown':
      return 'is counting down';
    case 'running':
      return was === 'paused' ? 'goes on' : was === 'soldOut' ? 'sells again: stock came back' : 'started';
    case 'paused':
      return 'paused';
    case 'soldOut':
      return 'is sold out';
    case 'ended':
      return `is over: ${endedBecause[state.by]}`;
    case 'ready':
    case 'scheduled':
      return null;
  }
};

const shopWords = (before: LogFacts | null, { show }: LogFacts): Words[] => {
  const was = before?.show;
  if (!was || !show || was.id !== show.id) return [];
  const drops = show.drops.flatMap(({ id, name, state }) => {
    const earlier = was.drops.find((one) => one.id === id)?.state.kind ?? 'ready';
    const words = earlier === state.kind ? null : dropWords(state, earlier);
    return words === null ? [] : [line('fine', `Drop “${name}” ${words}.`)];
  });
  const products = show.products.flatMap(({ id, name, soldOut }) => {
    const earlier = was.products.find((one) => one.id === id);
    return soldOut && earlier && !earlier.soldOut ? [line('fine', `${name} is sold out.`)] : [];
  });
  return [...drops, ...products];
};

const uplinkWords = (before: LogFacts | null, { uplink }: LogFacts): Words[] => {
  const was = before?.uplink ?? 'unknown';
  if (uplink === was) return [];
  if (uplink === 'lossy') {
    return [line('look', 'The uplink loses packets. They are sent again; the bitrate follows by itself.')];
  }
  if (uplink === 'slow') return [line('look', 'The network answers slowly. The bitrate follows by itself.')];
  return uplink === 'good' && was !== 'unknown' ? [line('fine', 'The uplink is clean again.')] : [];
};

const recordingWords = (before: LogFacts | null, { recording }: LogFacts): Words[] => {
  const was = before?.recording;
  const { note } = recording;
  return [
    ...(recording.on && !was?.on ? [line('fine', `Recording to “${recording.name}”.`)] : []),
    ...(!recording.on && was?.on ? [line('fine', 'Recording stopped; its files are closed.')] : []),
    ...(note && note.text !== was?.note?.text ? [line(note.tone, note.text)] : []),
  ];
};

const sentences = (before: LogFacts | null, now: LogFacts): Words[] => {
  const fresh = (key: 'sendingFailed' | 'fault' | 'trouble') => {
    const text = now[key];
    return text !== null && text !== before?.[key] ? text : null;
  };
  const { recordingStopped } = now;
  const [failed, fault, trouble] = [fresh('sendingFailed'), fresh('fault'), fresh('trouble')];
  return [
    ...(failed === null ? [] : [line('wrong', `The program could not be sent: ${failed}`)]),
    ...(fault === null ? [] : [line('wrong', fault)]),
    ...(trouble === null ? [] : [line('look', trouble)]),
    ...(recordingStopped === null || recordingStopped === before?.recordingStopped
      ? []
      : [line('look', `The server no longer records: ${recordingStopped}. Fans are not affected.`)]),
  ];
};

const keptLine = z.object({
  atMs: z.number(),
  tone: z.enum(['fine', 'look', 'wrong']),
  text: z.string().check(z.maxLength(400)),
  /** How often it was said in a row. */
  times: z.int().check(z.minimum(1)),
});
/** `atMs` is this machine's clock, of the latest time it was said. */
export type LogLine = z.infer<typeof keptLine>;

const longestLog = 500;
const keptLines = z.array(keptLine).check(z.maxLength(longestLog));
const logKey = 'studio.log';

export interface Log {
  /** Oldest first; at most 500. */
  readonly store: StoreApi<{ lines: readonly LogLine[] }>;
  say(tone: Tone, text: string): void;
  /** Compares the desk with how it was at the last call and says what changed. */
  look(facts: LogFacts): void;
}

/** `storage` lasts as long as the tab: `sessionStorage`. */
export const createLog = (options: {
  storage: Pick<Storage, 'getItem' | 'setItem'>;
  nowMs: () => number;
}): Log => {
  const { storage, nowMs } = options;
  const earlier = (): LogLine[] => {
    try {
      const stored = keptLines.safeParse(JSON.parse(storage.getItem(logKey) ?? '[]'));
      return stored.success ? stored.data : [];
    } catch (error) {
      if (error instanceof SyntaxError) return [];
      throw error;
    }
  };
  const store = createStore<{ lines: readonly LogLine[] }>(() => ({ lines: earlier() }));
  let before: LogFacts | null = null;

  const say = (tone: Tone, text: string) => {
    const { lines } = store.getState();
    const last = lines.at(-1);
    const next: LogLine[] =
      last?.text === text
        ? [...lines.slice(0, -1), { ...last, atMs: nowMs(), times: last.times + 1 }]
        : [...lines, { atMs: nowMs(), tone, text: text.slice(0, 400), times: 1 }].slice(-longestLog);
    store.setState({ lines: next });
    storage.setItem(logKey, JSON.stringify(next));
  };

  return {
    store,
    say,
    look: (facts) => {
      for (const { tone, text } of changesInWords(before, facts)) say(tone, text);
      before = facts;
    },
  };
};

const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium', hour12: false });

/** "20:14:03", by this machine's clock. */
export const clockTime = (atMs: number): string => clock.format(atMs);

/** The log as text to copy or save, oldest first. */
export const logAsText = (lines: readonly LogLine[]): string =>
  lines
    .map(({ atMs, text, times }) => `${clockTime(atMs)}  ${text}${times > 1 ? ` (${times} times)` : ''}\n`)
    .join('');
