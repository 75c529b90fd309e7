// The pre-flight checklist, the crew's field card: what must be right before a show goes live, each item with a sentence and the
// one thing to do. Pure. Not its job: looking (preflight-desk.ts), showing or printing (preflight-sheet.tsx).
import { formatRoom, formatWhole } from '../ui/format.ts';
import { freshMs, type ConnectionWords } from './connection.ts';
import { sourceState, type Tone } from './health.ts';
import type { SourceReport } from './source-report.ts';

/** Who looks after it. */
export const cardRoles = ['director', 'camera', 'audio'] as const;
export type CardRole = (typeof cardRoles)[number];

export type CardItem = {
  id: CardItemId;
  role: CardRole;
  title: string;
  /** `wrong` asks before a show goes live, `look` is worth a glance. */
  tone: Tone;
  /** How it is. */
  text: string;
  /** The one thing to do; null: nothing. */
  todo: string | null;
};

export type CardItemId =
  | 'standby'
  | 'uplink'
  | 'products'
  | 'link'
  | 'cameras'
  | 'lut'
  | 'pipeline'
  | 'levels'
  | 'recording'
  | 'power';

/** What one real look at an address found. */
export type Reached =
  | { kind: 'unknown' }
  | { kind: 'looking' }
  | { kind: 'ok'; tookMs: number }
  | { kind: 'failed'; text: string };

/** When a microphone was last above the level of speech. */
export type Heard = { onSinceMs: number; lastMs: number | null };

export type RecordingReport =
  /** Where it goes in words, and how long there is room for; null while nobody knows. */
  | { kind: 'ready' | 'recording'; place: string; roomMs: number | null }
  | { kind: 'off' }
  | { kind: 'failed'; text: string };

/** The connection test, judged. */
export type UplinkReport =
  | { kind: 'never' | 'running' }
  | { kind: 'failed'; text: string }
  | { kind: 'done'; atMs: number; words: ConnectionWords };

export type CardFacts = {
  nowMs: number;
  sources: readonly SourceReport[];
  /** By id of the source. */
  heard: Readonly<Record<string, Heard>>;
  /** Colour tables the scenes ask for, and those that are not loaded, by name. */
  luts: { wanted: number; missing: readonly string[] };
  /** Share of frames that came late in the last second; null before the first. */
  latePct: number | null;
  recording: RecordingReport;
  standby: { name: string; builtIn: boolean; problem: string | null; file: Reached };
  uplink: UplinkReport;
  /** What fans can buy, and what is shown to them. */
  products: { count: number; featured: { name: string; left: number } | null };
  /** Null without a server. */
  link: { url: string; reached: Reached } | null;
  /** Null where the machine does not tell. */
  power: { charging: boolean; level: number } | null;
};

type Verdict = Pick<CardItem, 'tone' | 'text' | 'todo'>;
const fine = (text: string): Verdict => ({ tone: 'fine', text, todo: null });
const look = (text: string, todo: string): Verdict => ({ tone: 'look', text, todo });
const wrong = (text: string, todo: string): Verdict => ({ tone: 'wrong', text, todo });

/** In the order of the card. */
export const fieldCard = (facts: CardFacts): CardItem[] => [
  { id: 'standby', role: 'director', title: 'Standby clip', ...standbyVerdict(facts) },
  { id: 'uplink', role: 'director', title: 'Uplink', ...uplinkVerdict(facts) },
  { id: 'products', role: 'director', title: 'Products', ...productsVerdict(facts) },
  { id: 'link', role: 'director', title: 'Viewer link', ...linkVerdict(facts) },
  { id: 'cameras', role: 'camera', title: 'Cameras', ...camerasVerdict(facts) },
  { id: 'lut', role: 'camera', title: 'LUT', ...lutVerdict(facts) },
  { id: 'pipeline', role: 'camera', title: 'Picture', ...pipelineVerdict(facts) },
  { id: 'levels', role: 'audio', title: 'Levels', ...levelsVerdict(facts) },
  { id: 'recording', role: 'audio', title: 'Recording', ...recordingVerdict(facts) },
  { id: 'power', role: 'audio', title: 'Power', ...powerVerdict(facts) },
];

/** The card in one sentence. */
export const cardSummary = (items: readonly CardItem[]): { tone: Tone; text: string } => {
  const titles = (tone: Tone) => items.filter((item) => item.tone === tone).map(({ title }) => title);
  const red = titles('wrong');
  const amber = titles('look');
  if (red.length > 0) return { tone: 'wrong', text: `Not ready: ${red.join(', ')}.` };
  if (amber.length > 0) return { tone: 'look', text: `Ready, with a look at ${amber.join(', ')}.` };
  return { tone: 'fine', text: 'Ready.' };
};

const standbyVerdict = ({ standby }: CardFacts): Verdict => {
  if (standby.problem !== null) return wrong(standby.problem, 'Choose another clip under Standby.');
  if (standby.file.kind === 'failed')
    return wrong(
      `“${standby.name}” does not load: ${standby.file.text}`,
      'Choose another clip under Standby.',
    );
  if (standby.builtIn) {
    return look(
      'The built-in clip is loaded. It has no code to your shop.',
      'Import a clip of your own under Standby.',
    );
  }
  return fine(`“${standby.name}” is loaded.`);
};

const uplinkVerdict = ({ uplink, nowMs }: CardFacts): Verdict => {
  switch (uplink.kind) {
    case 'never':
      return look('Not tested yet. Going live tests it first.', 'Test it under Connection.');
    case 'running':
      return look('The test is running.', 'Wait a few seconds.');
    case 'failed':
      return wrong(uplink.text, 'Test it again under Connection.');
    case 'done': {
      const { tone, verdict, fix } = uplink.words;
      const ageMs = nowMs - uplink.atMs;
      if (tone === 'fine' && ageMs > freshMs)
        return look(`${verdict} That was ${formatRoom(ageMs)} ago.`, 'Test it again under Connection.');
      return { tone, text: verdict, todo: fix };
    }
  }
};

const productsVerdict = ({ products: { count, featured } }: CardFacts): Verdict => {
  if (count === 0) return look('There is nothing to sell yet.', 'Add a product under Shop.');
  if (!featured) return look('No product is shown to fans.', 'Choose one under Shop, Products.');
  if (featured.left === 0) return look(`${featured.name} is sold out.`, 'Add stock or show another product.');
  return fine(`${featured.name}, ${formatWhole(featured.left)} left.`);
};

const linkVerdict = ({ link }: CardFacts): Verdict => {
  if (!link) return wrong('There is no connection to the server.', 'Wait for it, or start the server.');
  switch (link.reached.kind) {
    case 'unknown':
    case 'looking':
      return look('Being opened.', 'Wait a moment.');
    case 'ok':
      return fine(`${link.url} opens.`);
    case 'failed':
      return wrong(
        `${link.url} does not open: ${link.reached.text}`,
        'Check the address the server was started with, and the network.',
      );
  }
};

const slowFps = 20;

const camerasVerdict = ({ sources }: CardFacts): Verdict => {
  const cameras = sources.filter(({ medium, input }) => medium === 'picture' && input.kind !== 'off');
  if (cameras.length === 0) return wrong('No camera is on.', 'Turn one on under Sources.');
  const sick = cameras.filter((camera) => sourceState(camera).tone !== 'fine');
  if (sick.length > 0) {
    return wrong(
      `${sick.map((camera) => `${camera.name}: ${sourceState(camera).text}`).join('. ')}.`,
      'Check cable and power, or choose it again under Sources.',
    );
  }
  const figures = cameras.map(({ name, framesPerSecond, size }) =>
    [
      name,
      ...(framesPerSecond === null ? [] : [`${framesPerSecond.toFixed(0)} fps`]),
      ...(size ? [`${size.width} × ${size.height}`] : []),
    ].join(', '),
  );
  const slow = cameras.filter(({ framesPerSecond }) => framesPerSecond !== null && framesPerSecond < slowFps);
  if (slow.length > 0) {
    return look(
      `${figures.join('; ')}.`,
      `${slow[0]?.name} is slow: give it more light or another mode, and its own USB port.`,
    );
  }
  return fine(`${figures.join('; ')}.`);
};

const lutVerdict = ({ luts: { wanted, missing } }: CardFacts): Verdict => {
  if (missing.length > 0) return wrong(`Not loaded: ${missing.join(', ')}.`, 'Load it again under Sources.');
  if (wanted === 0) return fine('No LUT is in use.');
  return fine(wanted === 1 ? 'The LUT is loaded.' : `All ${wanted} LUTs are loaded.`);
};

const lateToMentionPct = 2;

const pipelineVerdict = ({ latePct }: CardFacts): Verdict => {
  if (latePct === null) return look('Nothing is composed yet.', 'Turn on a camera.');
  if (latePct > lateToMentionPct) {
    return look(
      `${latePct.toFixed(0)} % of the frames are late.`,
      'Close other programs, or choose a smaller program size.',
    );
  }
  return fine('Frames are on time.');
};

/** Speech is louder than this, a quiet room is not. */
export const speechDb = -40;
/** Somebody spoke within this time. */
const heardWithinMs = 10_000;

const levelsVerdict = ({ sources, heard, nowMs }: CardFacts): Verdict => {
  const microphones = sources.filter(({ medium, input }) => medium === 'sound' && input.kind !== 'off');
  if (microphones.length === 0)
    return wrong('No microphone is on. Fans will hear nothing.', 'Turn one on in the mixer.');
  const sick = microphones.filter(({ input }) => input.kind !== 'live' && input.kind !== 'opening');
  if (sick.length > 0) {
    return wrong(
      `${sick.map((one) => `${one.name}: ${sourceState(one).text}`).join('. ')}.`,
      'Check cable and battery, or choose it again in the mixer.',
    );
  }
  const speak = (names: readonly string[]) => `Speak into ${names.join(' and ')}.`;
  const quiet: string[] = [];
  const waiting: string[] = [];
  for (const { id, name } of microphones) {
    const one = heard[id];
    if (one?.lastMs !== null && one !== undefined && nowMs - one.lastMs <= heardWithinMs) continue;
    const justOn = one === undefined || nowMs - one.onSinceMs < heardWithinMs;
    (justOn ? waiting : quiet).push(name);
  }
  if (quiet.length > 0)
    return wrong(`Nothing heard for 10 seconds from ${quiet.join(' and ')}.`, speak([...quiet, ...waiting]));
  if (waiting.length > 0) return look(`Not heard yet: ${waiting.join(' and ')}.`, speak(waiting));
  const muted = microphones.filter((one) => one.muted).map(({ name }) => name);
  if (muted.length > 0) return look(`Heard, but muted: ${muted.join(' and ')}.`, 'Unmute it in the mixer.');
  const loud = microphones.filter(({ media }) => media === 'clipped').map(({ name }) => name);
  if (loud.length > 0) return look(`Too loud: ${loud.join(' and ')}.`, 'Turn it down at the mixer.');
  return fine(`Heard: ${microphones.map(({ name }) => name).join(', ')}.`);
};

const roomToMentionMs = 2 * 3_600_000;
const roomNeededMs = 10 * 60_000;

const recordingVerdict = ({ recording }: CardFacts): Verdict => {
  switch (recording.kind) {
    case 'off':
      return look('The show will not be recorded on this machine.', 'Turn recording on under Recording.');
    case 'failed':
      return wrong(recording.text, 'Choose another folder under Recording.');
    case 'ready':
    case 'recording': {
      const { place, roomMs } = recording;
      if (roomMs === null) return fine(`To ${place}.`);
      const room = `To ${place}, room for ${formatRoom(roomMs)}.`;
      if (roomMs < roomNeededMs) return wrong(room, 'Free some space or choose another folder.');
      return roomMs < roomToMentionMs ? look(room, 'Free some space for a long show.') : fine(room);
    }
  }
};

const powerVerdict = ({ power }: CardFacts): Verdict => {
  if (power === null) return fine('This machine says nothing of its battery.');
  const level = `${Math.round(power.level * 100)} %`;
  if (power.charging) return fine(`On mains, battery ${level}.`);
  return power.level < 0.2
    ? wrong(`On battery, ${level} left.`, 'Plug the machine in.')
    : look(`On battery, ${level} left.`, 'Plug the machine in for a long show.');
};
