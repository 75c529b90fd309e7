// What can lie over the picture: words, brand kit and the card with the code, with their limits.
// Not its job: which of it is on the picture right now (state.ts `scene`), how it is drawn (renderer/studio/media/overlay.ts).
import * as z from 'zod/mini';
import { chatMessageId } from './chat.ts';

/** SHA-256 of a file that the studio's machine keeps. */
export const digest = z.string().check(z.regex(/^[a-f0-9]{64}$/, 'a SHA-256 in hexadecimal'));

/** A file that a director chose; the file itself stays on the studio's machine. */
export const fileOnMachine = {
  /** Null: none has been chosen yet. */
  fileId: z.nullable(digest),
  fileName: z.string().check(z.maxLength(200)),
};

export const hexColour = z.string().check(z.regex(/^#[0-9a-f]{6}$/, 'a colour such as #1a2b3c'));

export const corners = ['topLeft', 'topRight', 'bottomLeft', 'bottomRight'] as const;
export const corner = z.enum(corners);
export type Corner = z.infer<typeof corner>;

/** `card`: the code with its words below. `strip`: words beside the code. `code`: the code alone. */
export const qrStyles = ['card', 'strip', 'code'] as const;
export const qrStyle = z.enum(qrStyles);
export type QrStyle = z.infer<typeof qrStyle>;

/** Fonts that every machine has in some form: a picture must not wait for a download. */
export const brandFonts = ['system', 'sans', 'serif', 'condensed', 'rounded', 'mono'] as const;
export const brandFont = z.enum(brandFonts);
export type BrandFont = z.infer<typeof brandFont>;

/** The show's look. */
export const brand = z.object({ accent: hexColour, panel: hexColour, text: hexColour, font: brandFont });
export type Brand = z.infer<typeof brand>;
export const defaultBrand: Brand = { accent: '#5b8cff', panel: '#15171c', text: '#f2f4f8', font: 'system' };

const words = (most: number) => z.string().check(z.maxLength(most, `${most} characters at most`));

export const lowerThird = z.object({ title: words(60), subtitle: words(80) });
export type LowerThird = z.infer<typeof lowerThird>;

/** A headline, and a smaller line below that may be empty. */
export const titleCard = z.object({ text: words(80), note: words(80) });
export type TitleCard = z.infer<typeof titleCard>;

export const maxTickerLines = 12;
export const maxTickerLine = 160;
/** Run along the bottom edge one after another, and from the beginning again. */
export const ticker = z.object({
  lines: z.array(words(maxTickerLine)).check(z.maxLength(maxTickerLines, `${maxTickerLines} lines at most`)),
});
export type Ticker = z.infer<typeof ticker>;

export const maxPinnedText = 200;
/** Somebody's words on the picture: typed by the director, or taken from the chat. */
export const pinnedMessage = z.object({
  /** Whose words; may be empty. */
  name: words(40),
  text: z.string().check(z.minLength(1, 'write a message to pin'), z.maxLength(maxPinnedText)),
  /** Of the chat: when that message is removed, it leaves the picture too. */
  messageId: z.optional(chatMessageId),
});
export type PinnedMessage = z.infer<typeof pinnedMessage>;

/** The director's overlays as they are made ready. Their look holds at once, as a source's does; words go on the picture by a press. */
export const overlaySettings = z.object({
  brand,
  logo: z.object({ ...fileOnMachine, corner }),
  qrCard: z.object({ style: qrStyle, corner }),
  lowerThird,
  title: titleCard,
  ticker,
});
export type OverlaySettings = z.infer<typeof overlaySettings>;

export const defaultOverlays: OverlaySettings = {
  brand: defaultBrand,
  logo: { fileId: null, fileName: '', corner: 'topLeft' },
  qrCard: { style: 'card', corner: 'topRight' },
  lowerThird: { title: '', subtitle: '' },
  title: { text: '', note: '' },
  ticker: { lines: [] },
};
