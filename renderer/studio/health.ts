// What the health line says: the state of the show in plain sentences, worst news first. Pure.
// Not its job: measuring anything, or drawing the line.
import type { Health } from '../../sfu-server/protocol/messages.ts';
import { featuredProduct, type ShowState, type SwitchReason } from '../../sfu-server/protocol/state.ts';
import { goneWords, pictureTrouble, type Gone } from './device-words.ts';
import type { PictureHealth, SoundHealth } from './media/source-health.ts';
import type { CompositorStats } from './media/compositor.ts';
import { formatDuration, formatRate, formatRoom, formatRunningTime } from '../ui/format.ts';
import type { SourceReport } from './source-report.ts';

/** `wrong`: fans notice or will soon. `look`: the director should know. `fine`: nothing to do. */
export type Tone = 'fine' | 'look' | 'wrong';
export type HealthLine = { tone: Tone; text: string };

/** One input, as far as the line speaks of it. */
export type InputReport =
  | { kind: 'off' | 'opening' | 'live' }
  | { kind: 'gone'; how: Gone; forMs: number }
  /** A sentence that names it and says what to do. */
  | { kind: 'failed'; text: string };

/** A source of pictures, as far as the line speaks of it. */
export type PictureReport = {
  /** Such as "Cam A". */
  name: string;
  input: InputReport;
  /** What its pictures themselves say; `moving` of a source that stands still by its nature. */
  picture: PictureHealth;
  onProgram: boolean;
  /** The source that is shown in its place, by name; null: none is. */
  instead: string | null;
};

export type HealthFacts = {
  nowMs: number;
  connection: 'connecting' | 'joined' | 'reconnecting' | 'refused';
  show: ShowState | null;
  health: Health | null;
  pictures: readonly PictureReport[];
  /** The source for which this studio put the standby clip on by itself, by name; null: it did not. */
  clipFor: string | null;
  /** By name, such as "Lav L". */
  microphones: readonly {
    role: string;
    input: InputReport;
    sound: SoundHealth;
    /** Its backup, while that has taken its place. */
    spokenForBy?: string | undefined;
  }[];
  sending: 'idle' | 'offerResume' | 'starting' | 'sending' | 'failed';
  /** Share of program frames that came late over the last seconds, in percent; null while unknown. */
  latePct: number | null;
  /** Since when this machine records and how long there is room; null while it does not. */
  recording: { sinceMs: number; roomMs: number | null } | null;
  /** A compositor fault in one sentence, or null. */
  fault: string | null;
};

/** Above this fans are likely to see it: loss that retransmission no longer hides, delay that spoils a sale. */
const lossToMentionPct = 2;
const rttToMentionMs = 250;
const fpsToMention = 20;

/** Why the standby clip came by itself; part of a sentence. */
export const standbyBecause: Readonly<Record<SwitchReason, string>> = {
  notOnAir: 'the studio has only just gone on air',
  studioHealthy: 'the studio is coming back',
  studioSilent: 'nothing came from this studio',
  studioClosed: 'this studio stopped sending',
  studioFrozen: 'the picture from this studio stood still',
  studioNotReady: 'the studio is not sending yet',
  directorLock: 'you locked it',
  nodeRestarted: 'the video server restarted',
};

/** All that is worth saying now, worst first; one calm line when all is well. */
export const healthLines = (facts: HealthFacts): HealthLine[] => {
  const lines = [
    ...connectionLines(facts),
    ...programLines(facts),
    ...inputLines(facts),
    ...pipelineLines(facts),
    ...uplinkLines(facts),
    ...recordingLines(facts),
  ];
  if (lines.length === 0) return [calmLine(facts)];
  const rank = { wrong: 0, look: 1, fine: 2 } as const;
  return lines.toSorted((a, b) => rank[a.tone] - rank[b.tone]);
};

const connectionLines = ({ connection, show }: HealthFacts): HealthLine[] => {
  if (connection === 'reconnecting') {
    const live = show?.phase.kind === 'live';
    return [
      {
        tone: 'wrong',
        text: live
          ? 'The server cannot be reached: fans see the standby clip. Trying again by itself.'
          : 'The server cannot be reached. Trying again by itself.',
      },
    ];
  }
  return connection === 'connecting' ? [{ tone: 'look', text: 'Connecting to the server.' }] : [];
};

const programLines = ({ show, sending, nowMs, clipFor }: HealthFacts): HealthLine[] => {
  if (show?.phase.kind !== 'live') return [];
  if (sending === 'offerResume') {
    return [{ tone: 'wrong', text: 'Fans see the standby clip. Resume the show when the picture is right.' }];
  }
  if (show.program.source !== 'standby') return [];
  const sinceText = formatDuration(nowMs - show.program.sinceMs);
  if (clipFor !== null) {
    const text = `Standby clip on air for ${sinceText}: ${clipFor} has no picture and nothing stands in for it. Back by itself when it has.`;
    return [{ tone: 'wrong', text }];
  }
  if (show.program.lock === 'standby') {
    return [
      { tone: 'look', text: `Standby clip on air for ${sinceText}: you locked it. Shift+S goes back.` },
    ];
  }
  return [
    {
      tone: 'wrong',
      text: `Standby clip on air for ${sinceText}: ${standbyBecause[show.program.reason]}. Back by itself as soon as the picture is healthy.`,
    },
  ];
};

/** What fans see of a source that has no picture. */
const insteadWords = ({ onProgram, instead }: PictureReport, clipFor: string | null): string => {
  if (!onProgram) return '';
  if (instead !== null) return `, showing ${instead}`;
  return clipFor === null ? ', holding its last picture' : ', fans see the standby clip';
};

/** Null while there is nothing to say. */
const pictureWords = (report: PictureReport, { nowMs, clipFor }: HealthFacts): string | null => {
  const { name, input, picture } = report;
  const instead = insteadWords(report, clipFor);
  if (input.kind === 'gone') {
    return `${name} ${input.how} ${formatDuration(input.forMs)} ago${instead}. ${goneWords[input.how].fix}`;
  }
  if (input.kind === 'failed') return input.text;
  const comingBack =
    report.onProgram && report.instead !== null
      ? `${name} is coming back: showing ${report.instead} until it is steady.`
      : null;
  if (input.kind !== 'live') return input.kind === 'opening' ? comingBack : null;
  switch (picture.kind) {
    case 'waiting':
    case 'moving':
      return comingBack;
    case 'stopped':
      return `${name} ${pictureTrouble.stopped.since} for ${formatDuration(nowMs - picture.sinceMs)}${instead}. Check its cable or choose it again.`;
    case 'frozen':
      return `${name} ${pictureTrouble.frozen.since} for ${formatDuration(nowMs - picture.sinceMs)}${instead}. Switch it off and on, or choose it again.`;
    case 'black':
      return `${name} ${pictureTrouble.black.since} for ${formatDuration(nowMs - picture.sinceMs)}${instead}. Is the lens cap on?`;
  }
};

const soundWords = (role: string, sound: SoundHealth, nowMs: number): string | null => {
  switch (sound.kind) {
    case 'waiting':
    case 'alive':
      return null;
    case 'silent':
      return `${role} has been silent for ${formatDuration(nowMs - sound.sinceMs)}. Check its switch, battery and plug.`;
    case 'clipped':
      return `${role} is too loud and distorts. Turn it down at the mixer.`;
  }
};

const inputLines = (facts: HealthFacts): HealthLine[] => {
  const { pictures, microphones, show, fault } = facts;
  const live = show?.phase.kind === 'live';
  const lines: HealthLine[] = [];
  if (fault !== null) lines.push({ tone: 'wrong', text: fault });
  for (const report of pictures) {
    const text = pictureWords(report, facts);
    if (text === null) continue;
    lines.push({ tone: live && report.onProgram && report.instead === null ? 'wrong' : 'look', text });
  }
  for (const { role, input, sound, spokenForBy } of microphones) {
    const instead = spokenForBy === undefined ? '' : ` ${spokenForBy} has taken its place.`;
    if (input.kind === 'live') {
      const text = soundWords(role, sound, facts.nowMs);
      if (text !== null) lines.push({ tone: 'look', text: `${text}${instead}` });
    }
    if (input.kind === 'failed') lines.push({ tone: 'look', text: `${input.text}${instead}` });
    if (input.kind !== 'gone') continue;
    const age = formatDuration(input.forMs);
    lines.push({
      tone: live && spokenForBy === undefined ? 'wrong' : 'look',
      text: `${role} ${input.how} ${age} ago. ${goneWords[input.how].returns}${instead}`,
    });
  }
  return lines;
};

/** Above this people see it. */
const lateToMentionPct = 10;

/** The compositor's own sentence about it comes first. */
const pipelineLines = ({ latePct, fault, show }: HealthFacts): HealthLine[] =>
  fault === null && latePct !== null && latePct > lateToMentionPct && show?.phase.kind === 'live'
    ? [
        {
          tone: 'look',
          text: `${Math.round(latePct)} % of the frames are late: this machine is busy. Close other programs, or choose a smaller program size next time.`,
        },
      ]
    : [];

const uplinkLines = ({ health, show, sending }: HealthFacts): HealthLine[] => {
  if (!health || sending !== 'sending' || show?.phase.kind !== 'live') return [];
  const lines: HealthLine[] = [];
  const top = health.layers.at(-1);
  if (health.lossPct >= lossToMentionPct) {
    lines.push({
      tone: 'look',
      text: `${health.lossPct.toFixed(1)} % of what you send is lost on the way. Move closer to the network or use a cable.`,
    });
  }
  if (health.rttMs >= rttToMentionMs) {
    lines.push({ tone: 'look', text: `The network answers slowly (${Math.round(health.rttMs)} ms).` });
  }
  if (top && top.fps > 0 && top.fps < fpsToMention) {
    lines.push({ tone: 'look', text: `Only ${Math.round(top.fps)} pictures a second leave this machine.` });
  }
  return lines;
};

const recordingLines = ({ health, show }: HealthFacts): HealthLine[] => {
  if (!health || health.recordingStopped === null || show?.phase.kind !== 'live') return [];
  const text = `The server no longer records the show: ${health.recordingStopped}. Fans are not affected.`;
  return [{ tone: 'look', text }];
};

const calmLine = ({ show, pictures, microphones, health, recording, nowMs }: HealthFacts): HealthLine => {
  if (!show) return { tone: 'look', text: 'Waiting for the show.' };
  if (show.phase.kind === 'ended')
    return { tone: 'fine', text: 'The show has ended. Fans see the closing page.' };
  if (show.phase.kind === 'setup') {
    const hasPicture = pictures.some(({ input }) => input.kind === 'live');
    const missing = [
      ...(hasPicture ? [] : ['a camera']),
      ...(microphones.some(({ input }) => input.kind === 'live') ? [] : ['a microphone']),
      ...(featuredProduct(show) ? [] : ['something to sell']),
    ];
    if (missing.length === 0) return { tone: 'fine', text: 'Ready. Share the link, then go live.' };
    const list =
      missing.length === 1 ? missing[0] : `${missing.slice(0, -1).join(', ')} and ${missing.at(-1)}`;
    return { tone: hasPicture ? 'fine' : 'look', text: `Before you go live: ${list}.` };
  }
  const seen = health?.viewerDelayMs;
  const recorded = recording
    ? ` Recording ${formatRunningTime(nowMs - recording.sinceMs)}${recording.roomMs === null ? '' : `, room for ${formatRoom(recording.roomMs)}`}.`
    : '';
  return {
    tone: 'fine',
    text: `All well.${seen ? ` Fans see you ${Math.round(seen.median)} ms after it happens.` : ''}${recorded}`,
  };
};

/** A source's state in two or three words, for a table. */
export const sourceState = (source: SourceReport): { tone: Tone | 'off'; text: string } => {
  const { input, media, muted } = source;
  switch (input.kind) {
    case 'off':
      return { tone: 'off', text: 'off' };
    case 'opening':
      return { tone: 'off', text: 'opening' };
    case 'gone':
      return { tone: 'look', text: `${input.how} ${formatDuration(input.forMs)} ago` };
    case 'failed':
      return { tone: 'look', text: 'cannot open' };
    case 'live':
      if (media !== 'well') return { tone: 'look', text: mediaWords[media] };
      return muted ? { tone: 'look', text: 'muted' } : { tone: 'fine', text: 'live' };
  }
};

const mediaWords: Record<Exclude<SourceReport['media'], 'well'>, string> = {
  stopped: pictureTrouble.stopped.word,
  frozen: pictureTrouble.frozen.word,
  black: pictureTrouble.black.word,
  silent: 'silent',
  clipped: 'too loud',
};

export type PipelineFigure = Figure & { tone: Tone };

/** What composing costs and how much of it comes late, over the last second. */
export const pipelineFigures = (picture: CompositorStats | null, fps: number): PipelineFigure[] => {
  if (!picture) return [];
  const frameMs = 1000 / fps;
  const workPct = (picture.meanWorkMs / frameMs) * 100;
  const latePct = picture.framesOut === 0 ? 0 : (picture.late / picture.framesOut) * 100;
  return [
    {
      name: 'Work per frame',
      value: `${picture.meanWorkMs.toFixed(1)} ms · ${Math.round(workPct)} %`,
      detail: `Of the ${frameMs.toFixed(1)} ms a frame has; the longest took ${picture.worstWorkMs.toFixed(1)} ms`,
      tone: workPct > 70 ? 'look' : 'fine',
    },
    {
      name: 'Out',
      value: `${picture.framesOut} fps`,
      detail: `By the ${picture.backend} compositor`,
      tone: picture.framesOut < fps * 0.9 ? 'look' : 'fine',
    },
    {
      name: 'Late',
      value: `${latePct.toFixed(1)} %`,
      detail: `Frames that came late; the longest gap was ${Math.round(picture.worstGapMs)} ms`,
      tone: latePct > 2 ? 'look' : 'fine',
    },
    {
      name: 'Dropped',
      value: String(picture.dropped),
      detail: 'Composed but not sent, because the encoder did not keep up',
      tone: picture.dropped > 0 ? 'look' : 'fine',
    },
  ];
};

/** One figure of the health line: what it is, its value, and the longer words behind it. */
export type Figure = { name: string; value: string; detail: string };

/** Numbers beside the sentences; only those that are known. */
export const healthFigures = (health: Health | null, cameraFps: number | null): Figure[] => {
  const figures: Figure[] = [];
  if (cameraFps !== null) {
    figures.push({
      name: 'Camera',
      value: `${cameraFps.toFixed(1)} fps`,
      detail: 'Pictures a second from Cam A',
    });
  }
  if (!health || health.layers.length === 0) return figures;
  const layers = health.layers.map((layer) => formatRate(layer.kbps)).join(' + ');
  const fps = health.layers.map((layer) => Math.round(layer.fps)).join(' / ');
  figures.push({ name: 'Sending', value: layers, detail: `Per layer, small to large, at ${fps} fps` });
  if (health.audioKbps > 0) {
    figures.push({
      name: 'Sound',
      value: formatRate(health.audioKbps),
      detail: 'Program sound as it leaves',
    });
  }
  figures.push({
    name: 'Round trip',
    value: `${Math.round(health.rttMs)} ms`,
    detail: 'To the server and back',
  });
  figures.push({
    name: 'Loss',
    value: `${health.lossPct.toFixed(1)} %`,
    detail: 'Packets lost on the way up',
  });
  if (health.viewerDelayMs) {
    const { median, p95 } = health.viewerDelayMs;
    figures.push({
      name: 'Fans’ delay',
      value: `${Math.round(median)} ms`,
      detail: `Half of the fans; 95 of 100 are within ${Math.round(p95)} ms`,
    });
  }
  return figures;
};
