// What is behind a source that is no camera and no guest: an image, a video, what an encoder sends, a plain colour, a test card, a
// shared screen. Opens it, hands over its picture and sound, and lets it go.
// Not its job: which sources there are, and how each stands (picture-sources.ts), or where pictures and sound are used.
import { AppError } from '../../sfu-server/protocol/errors.ts';
import type { Source, SourceId } from '../../sfu-server/protocol/production.ts';
import type { Subscription, Tracks } from '../session/session.ts';
import type { Output } from './media/scene.ts';
import { drawColour, drawTestCard } from './media/still.ts';
import { openVideoFile } from './media/video-file.ts';
import type { SourceFiles } from './source-files.ts';

/** It plays until it is closed. */
export type Content = {
  /** A video begins anew; others have no beginning. */
  restart(): void;
  close(): void;
};

/** Where it goes. Nothing is told once it has been closed, or its opening given up. */
export type ContentSink = {
  /** From now on this is its picture: one that moves, or one that stands and is the receiver's to close. */
  picture(picture: MediaStreamTrack | ImageBitmap): void;
  /** Null: it has none any more. */
  sound(track: MediaStreamTrack | null): void;
  /** Nothing has come yet, and it may come at any time. */
  waits(): void;
  /** The picture was there and went. */
  gone(): void;
};

export type ContentOptions = {
  /** Receives what an encoder sends to a source. */
  subscribe: (id: SourceId) => Promise<Subscription>;
  files: Pick<SourceFiles, 'get'>;
  output: Output;
  onTrouble: (text: string) => void;
};

const nothing = () => {};
const lasting: Content = { restart: nothing, close: nothing };

/**
 * Opens what needs nobody's leave; null for a source of another kind. Rejects with an `AppError` whose sentence says what to do. Once
 * `signal` is aborted nothing is handed over, and what was opened has been let go of.
 */
export const openContent = async (
  { id, name, origin }: Source,
  { subscribe, files, output, onTrouble }: ContentOptions,
  sink: ContentSink,
  signal: AbortSignal,
): Promise<Content | null> => {
  switch (origin.kind) {
    case 'image':
      return openImage(await fileOf(files, origin.fileId), sink, signal);
    case 'video':
      return openVideo(
        await fileOf(files, origin.fileId),
        { loop: origin.loop, onFault: onTrouble },
        sink,
        signal,
      );
    case 'encoder':
      return receive(await subscribe(id), sink, signal);
    case 'colour':
      sink.picture(drawColour(origin.hex));
      return lasting;
    case 'testCard':
      sink.picture(drawTestCard(output, name));
      return lasting;
    case 'camera':
    case 'screen':
    case 'guest':
      return null;
  }
};

/** `refused`: the director closed the question, and nothing has changed. `word`: for a list; `sentence`: what to do. */
export type Shared =
  | { readonly kind: 'shared'; readonly track: MediaStreamTrack }
  | { readonly kind: 'refused' }
  | { readonly kind: 'failed'; readonly word: string; readonly sentence: string };

/** Asks the browser which screen or window to show. Only from a press. */
export const askForScreen = async (fps: number): Promise<Shared> => {
  const devices: MediaDevices | undefined = navigator.mediaDevices;
  if (!devices) {
    const sentence = 'Open the studio by https or on this computer to share a screen.';
    return { kind: 'failed', word: 'needs https', sentence };
  }
  try {
    const stream = await devices.getDisplayMedia({ video: { frameRate: fps }, audio: false });
    const [track] = stream.getVideoTracks();
    return track ? { kind: 'shared', track } : { kind: 'refused' };
  } catch (error) {
    if (error instanceof DOMException && error.name === 'NotAllowedError') return { kind: 'refused' };
    const sentence = `The screen cannot be shared (${String(error)}). Try another window.`;
    return { kind: 'failed', word: 'cannot share', sentence };
  }
};

/** The track is the content's from now on. The browser has a button of its own to end it. */
export const playScreen = (track: MediaStreamTrack, sink: ContentSink): Content => {
  let playing = true;
  track.addEventListener('ended', () => {
    if (playing) sink.gone();
    playing = false;
  });
  sink.picture(track);
  return {
    restart: nothing,
    close: () => {
      playing = false;
      track.stop();
    },
  };
};

const fileOf = async (files: Pick<SourceFiles, 'get'>, fileId: string | null): Promise<File> => {
  if (fileId === null) throw new AppError('notFound', 'Choose a file for it.');
  const file = await files.get(fileId);
  if (file === null) throw new AppError('notFound', 'Its file is not on this computer. Choose it again.');
  return file;
};

const openImage = async (file: File, sink: ContentSink, signal: AbortSignal): Promise<Content> => {
  const bitmap = await createImageBitmap(file).catch(() => null);
  if (bitmap === null) {
    throw new AppError('invalidParams', 'This is no image that can be read. Choose a PNG, JPEG or WebP.');
  }
  if (signal.aborted) bitmap.close();
  else sink.picture(bitmap);
  return lasting;
};

const openVideo = async (
  file: File,
  options: { loop: boolean; onFault: (sentence: string) => void },
  sink: ContentSink,
  signal: AbortSignal,
): Promise<Content> => {
  const opened = await openVideoFile(file, options);
  if (!opened.ok) throw new AppError('invalidParams', opened.sentence);
  const { video } = opened;
  if (signal.aborted) {
    video.close();
    return lasting;
  }
  sink.picture(video.track);
  sink.sound(video.sound);
  return video;
};

/** An encoder comes and goes by itself: one that has gone is waited for. */
const receive = (subscription: Subscription, sink: ContentSink, signal: AbortSignal): Content => {
  const close = () => subscription.close();
  if (signal.aborted) {
    close();
    return lasting;
  }
  let shown: Tracks = { video: null, audio: null };
  const take = (tracks: Tracks) => {
    const before = shown;
    shown = tracks;
    if (signal.aborted) return;
    if (tracks.audio !== before.audio) sink.sound(tracks.audio);
    if (tracks.video === before.video) return;
    if (tracks.video) sink.picture(tracks.video);
    else sink.gone();
  };
  sink.waits();
  subscription.onTracks(take);
  take(subscription.tracks);
  return { restart: nothing, close };
};
