// The sources of pictures as health line, log and field card speak of them: by the director's names, with what is shown in
// their place. Pure.
// Not its job: the words (health.ts), or knowing any of it (picture-sources.ts, picture.ts).
import type { Production, SourceOrigin } from '../../sfu-server/protocol/production.ts';
import type { Cover } from './program-desk.ts';
import type { Gone } from './device-words.ts';
import type { InputReport, PictureReport } from './health.ts';
import { compositorIdOf, type Cast } from './picture.ts';
import type { PictureFeed, PictureSourcesState } from './picture-sources.ts';
import { mayFail } from './scenes.ts';

export type SourcePicture = PictureReport & {
  id: string;
  /** Null before the first second, and for what nobody sends. */
  stats: PictureFeed['stats'];
};

/** How a source of this kind goes by itself. */
export const howGone = ({ kind }: SourceOrigin): Gone =>
  kind === 'screen' ? 'ended' : kind === 'encoder' ? 'left' : 'unplugged';

const inputOf = (origin: SourceOrigin, feed: PictureFeed | null, nowMs: number): InputReport => {
  const state = feed?.state;
  switch (state?.kind) {
    case undefined:
    case 'off':
      return { kind: 'off' };
    case 'opening':
    case 'live':
      return { kind: state.kind };
    case 'unplugged':
      return { kind: 'gone', how: howGone(origin), forMs: nowMs - state.sinceMs };
    case 'failed':
      return { kind: 'failed', text: state.sentence };
  }
};

export const reportPictures = (desk: {
  production: Production;
  cast: Cast;
  feeds: PictureSourcesState['feeds'];
  /** Ids of the sources that were taken to program. */
  onProgram: readonly string[];
  standIns: Cover['standIns'];
  nowMs: number;
}): SourcePicture[] => {
  const { production, cast, feeds, onProgram, standIns, nowMs } = desk;
  const names = new Map(production.sources.map(({ id, name }) => [id, name]));
  return production.sources.map(({ id, name, origin, lossRule }): SourcePicture => {
    const compositorId = compositorIdOf(id, production, cast);
    const feed = compositorId === null ? null : (feeds[compositorId] ?? null);
    const by = standIns.find((each) => each.for === id)?.by;
    const health = feed?.health ?? { kind: 'waiting' };
    // What stands still or is dark on purpose is no news, and neither is a slide that never moves.
    const isWell =
      !mayFail(origin) ||
      (health.kind === 'frozen' && !lossRule.frozen) ||
      (health.kind === 'black' && !lossRule.black);
    return {
      id,
      name,
      input: inputOf(origin, feed, nowMs),
      picture: isWell ? { kind: 'moving' } : health,
      onProgram: onProgram.includes(id),
      instead: by === undefined ? null : (names.get(by) ?? null),
      stats: feed?.stats ?? null,
    };
  });
};
