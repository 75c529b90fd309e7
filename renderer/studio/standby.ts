// The director's standby clips: the list, an import from file to server, the choice, and the rehearsal of what fans would
// get. One store for the panel. Not its job: converting (media/clip-import.ts), drawing (standby-panel.tsx).
import * as z from 'zod/mini';
import { createStore, type StoreApi } from 'zustand/vanilla';
import { AppError, isErrorCode } from '../../sfu-server/protocol/errors.ts';
import {
  storedClip,
  type ClipId,
  type ClipPart,
  type StoredClip,
} from '../../sfu-server/protocol/standby.ts';
import type { Session, Subscription, Tracks } from '../session/session.ts';
import { importClip, type ImportStep } from './media/clip-import.ts';

export type ImportProgress = { name: string } & (ImportStep | { kind: 'uploading'; share: number });

export type StandbyState = {
  /** Null until they were asked for. */
  clips: readonly StoredClip[] | null;
  importing: ImportProgress | null;
  /** What became of the last thing the director asked for, in one sentence. */
  outcome: { tone: 'done' | 'wrong'; text: string } | null;
  /** What the program monitor shows instead of the program; null while nothing is rehearsed. */
  rehearsal: Tracks | null;
};

export interface StandbyDesk {
  readonly store: StoreApi<StandbyState>;
  refresh(): Promise<void>;
  /** One at a time. The clip is chosen at once unless the show is live: then fans' standby changes only when asked for. */
  importFile(file: File): Promise<void>;
  cancelImport(): void;
  choose(id: ClipId | null): Promise<void>;
  remove(id: ClipId): Promise<void>;
  /** Begins or ends it. Does nothing while live, and ends by itself when the show goes live. */
  rehearse(): Promise<void>;
  close(): void;
  snapshot(): object;
}

const uploaded = z.object({ digest: z.string() });
const refusal = z.object({ code: z.string(), message: z.string() });
const maxNameChars = 80;

/** A file's name without its ending, as a name for the clip. */
export const clipNameOf = (fileName: string): string =>
  fileName
    .replace(/\.[^.]{1,5}$/, '')
    .trim()
    .slice(0, maxNameChars) || 'Standby clip';

export const createStandbyDesk = ({ session, key }: { session: Session; key: string }): StandbyDesk => {
  const store = createStore<StandbyState>(() => ({
    clips: null,
    importing: null,
    outcome: null,
    rehearsal: null,
  }));
  let cancelling = new AbortController();
  let subscription: Subscription | null = null;
  let closed = false;

  const isLive = () => session.store.getState().show?.phase.kind === 'live';
  const say = (tone: 'done' | 'wrong', text: string) => store.setState({ outcome: { tone, text } });

  /** Runs what the director asked for; what did not work becomes a sentence. */
  const attempt = async (work: () => Promise<void>): Promise<void> => {
    store.setState({ outcome: null });
    try {
      await work();
    } catch (error) {
      if (error instanceof DOMException && error.name === 'AbortError')
        return say('done', 'Import cancelled.');
      if (error instanceof AppError) return say('wrong', error.message);
      throw error; // Not expected: a bug, for the browser's own report.
    }
  };

  const refresh = async () => {
    const { clips } = await session.call('clips', {});
    store.setState({ clips });
  };

  const post = async (path: string, type: string, body: Blob | string): Promise<unknown> => {
    let answer: Response;
    let said: unknown;
    try {
      answer = await fetch(path, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': type },
        body,
        signal: cancelling.signal,
      });
      said = await answer.json();
    } catch (cause) {
      if (cancelling.signal.aborted) throw cause;
      throw new AppError(
        'closed',
        'The clip did not reach the server. Check the connection and import it again.',
        {
          cause,
        },
      );
    }
    if (answer.ok) return said;
    const refused = refusal.safeParse(said);
    if (!refused.success || !isErrorCode(refused.data.code)) throw new AppError('internal');
    throw new AppError(refused.data.code, refused.data.message);
  };

  const importFile = (file: File) =>
    attempt(async () => {
      const { connection, show } = session.store.getState();
      if (store.getState().importing !== null || connection.kind !== 'joined' || !show) return;
      cancelling = new AbortController();
      const { signal } = cancelling;
      const name = clipNameOf(file.name);
      // Forwards to whichever show is on: the code in the picture outlives product and show.
      const shopUrl = `${connection.publicOrigin}/`;
      const onStep = (step: ImportStep) => {
        if (!signal.aborted) store.setState({ importing: { name, ...step } });
      };
      onStep({ kind: 'reading' });
      try {
        const clip = await importClip(file, { shopUrl, title: show.title, onStep, signal });
        const files: { name: ClipPart; bytes: Blob }[] = [
          ...clip.files,
          { name: 'thumbnail.jpg', bytes: clip.thumbnail },
        ];
        const parts: Partial<Record<ClipPart, string>> = {};
        for (const [index, { name: part, bytes }] of files.entries()) {
          store.setState({ importing: { name, kind: 'uploading', share: index / files.length } });
          const said = await post('/api/clip-parts', 'application/octet-stream', bytes);
          parts[part] = z.parse(uploaded, said).digest;
        }
        const body = JSON.stringify({ name, lengthMs: clip.lengthMs, shopUrl, parts });
        const added = z.parse(storedClip, await post('/api/clips', 'application/json', body));
        if (isLive()) {
          say('done', `“${added.name}” is ready. The show is live: press Use to put it behind the program.`);
        } else {
          await session.call('chooseClip', { clipId: added.id });
          say('done', `“${added.name}” is ready and in use. Rehearse it with R.`);
        }
      } finally {
        store.setState({ importing: null });
      }
      await refresh();
    });

  const endRehearsal = () => {
    subscription?.close();
    subscription = null;
    if (store.getState().rehearsal !== null) store.setState({ rehearsal: null });
  };

  const rehearse = () =>
    attempt(async () => {
      if (store.getState().rehearsal !== null) return endRehearsal();
      if (isLive()) return;
      store.setState({ rehearsal: { video: null, audio: null } });
      const opened = await session.subscribe({ kind: 'rehearsal' });
      if (closed || store.getState().rehearsal === null) return opened.close();
      subscription = opened;
      const show = (tracks: Tracks) => {
        if (subscription === opened) store.setState({ rehearsal: { ...tracks } });
      };
      opened.onTracks(show);
      show(opened.tracks);
    });

  const stopFollowing = session.store.subscribe(() => {
    if (store.getState().rehearsal !== null && isLive()) endRehearsal();
  });

  return {
    store,
    refresh: () => attempt(refresh),
    importFile,
    cancelImport: () => cancelling.abort(),
    choose: (id) =>
      attempt(async () => {
        await session.call('chooseClip', { clipId: id });
      }),
    remove: (id) =>
      attempt(async () => {
        await session.call('removeClip', { clipId: id });
        await refresh();
      }),
    rehearse,
    close: () => {
      if (closed) return;
      closed = true;
      stopFollowing();
      cancelling.abort();
      endRehearsal();
    },
    snapshot: () => {
      const { clips, importing, rehearsal } = store.getState();
      return { clips: clips?.length ?? null, importing, rehearsing: rehearsal !== null };
    },
  };
};
