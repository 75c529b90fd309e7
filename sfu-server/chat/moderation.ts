// What of a fan's words the director looks at before anybody else does, and which names nobody may take. Pure: text in, judgement out.
// Nothing is refused or lost by it; who is told, and what the director decides, is in chat.ts.
import {
  DataSet,
  RegExpMatcher,
  englishDataset,
  englishRecommendedTransformers,
  resolveConfusablesTransformer,
  resolveLeetSpeakTransformer,
} from 'obscenity';
import type { HoldReason } from '../protocol/chat.ts';

/** Decent words in which the package sees others. */
const falseFriends = ['cockpit', 'penistone', 'moby dick', 'dickies', 'shiitake', 'pussycat'];

const swearing = new RegExpMatcher({
  ...new DataSet<{ originalWord: string }>()
    .addAll(englishDataset)
    .addPhrase((phrase) => falseFriends.reduce((all, one) => all.addWhitelistedTerm(one), phrase))
    .build(),
  ...englishRecommendedTransformers,
});

/** Without what is not seen (UAX 15, general category Cf) and without accents. */
const bare = (text: string): string =>
  text
    .normalize('NFKD')
    .replace(/[\p{Cf}\p{M}]/gu, '')
    .normalize('NFKC');

/** `s p e l l e d` or `s.p.e.l.l.e.d` out: joined. Three letters at least; "a b" is no word. */
const joined = (text: string): string =>
  text.replace(
    /(?<![\p{L}\p{N}])(?:[\p{L}\p{N}@$!][\s._*\-/|,+]{1,3}){2,}[\p{L}\p{N}](?![\p{L}\p{N}])/gu,
    (run) => run.replace(/[\s._*\-/|,+]/g, ''),
  );

const swears = (text: string): boolean => {
  const plain = bare(text);
  const together = joined(plain);
  return swearing.hasMatch(plain) || (together !== plain && swearing.hasMatch(together));
};

/** Endings that are no English words: elsewhere a full stop without a space is only a typing slip. */
const endings =
  'com|net|org|info|biz|co|io|tv|gg|ly|cc|ru|de|fr|uk|eu|nl|es|ch|se|ca|au|jp|cn|pl|xyz|shop|link|site';
const links = [
  // With a scheme (RFC 3986 §3.1), or as browsers complete it.
  /\b[a-z][a-z0-9+.-]{1,11}:\/\//iu,
  /\bwww\d?\s*\.\s*[\p{L}\p{N}]/iu,
  new RegExp(`[\\p{L}\\p{N}-]\\.(?:${endings})(?![\\p{L}\\p{N}-])`, 'iu'),
  /[\p{L}\p{N}-]\.\p{L}{2,24}\/\S/iu,
  /[\p{L}\p{N}-]\s*\.\s*(?:com|net|org)(?![\p{L}\p{N}-])/iu,
  // An address in figures (RFC 791).
  /(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])/u,
  // example dot com, example(.)com
  new RegExp(
    `[\\p{L}\\p{N}-]{2,}\\s*[([{]?\\s*(?:\\bdot\\b|[([{]\\s*\\.)\\s*[)\\]}]?\\s*(?:${endings})(?![\\p{L}\\p{N}])`,
    'iu',
  ),
];

const mailAddress =
  /[\p{L}\p{N}._%+-]+\s*(?:@|[([{]\s*(?:at|@)\s*[)\]}])\s*[\p{L}\p{N}-]+\s*(?:\.|[([{]?\s*\bdot\b\s*[)\]}]?)\s*\p{L}{2,}/iu;
/** Figures with what people put between them. Fewer than nine are a price, a size, an order or a time. */
const figures = /(?<![\p{L}\p{N}])(\+|00)?(?:\p{Nd}[\s().-]{0,2})+/gu;
const isoDate = /\b\d{4}-\d{2}-\d{2}\b/g;

const givesNumber = (text: string): boolean =>
  [...text.replace(isoDate, ' x ').matchAll(figures)].some(([run, prefix]) => {
    const count = run.match(/\p{Nd}/gu)?.length ?? 0;
    return count >= (prefix === '+' ? 7 : 9);
  });

/** `text`: tidied. Null: everybody may see it. */
export const reasonToHold = (text: string): HoldReason | null => {
  const plain = bare(text);
  if (mailAddress.test(plain) || givesNumber(plain)) return 'contact';
  if (links.some((link) => link.test(plain))) return 'link';
  if (swears(text)) return 'swearing';
  return null;
};

/** Words that say somebody belongs to the show. The role itself is drawn by the page and cannot be typed. */
const roleWords = ['host', 'hosts', 'cohost', 'director', 'moderator', 'admin', 'official', 'studio'];

const [confusables, leetSpeak] = [resolveConfusablesTransformer(), resolveLeetSpeakTransformer()];
/** What a name looks like at a glance, for comparing only: look-alikes, figures for letters and doubles are one. */
const looksLike = (name: string): string =>
  Array.from(bare(name), (letter) => {
    const code = confusables.transform(letter.codePointAt(0) ?? 0) ?? 0;
    return String.fromCodePoint(leetSpeak.transform(code) ?? code);
  })
    .join('')
    .toLowerCase()
    .replace(/l/g, 'i')
    .replace(/(\p{L})\1+/gu, '$1');

const letters = (text: string): string => text.replace(/[^\p{L}\p{N}]/gu, '');
/** Other signs may stand for letters, or for nothing. */
const looksOf = (name: string): string[] => [
  letters(looksLike(name)),
  looksLike(bare(name).replace(/[^\p{L}\p{N}]/gu, '')),
];
const looksOfRoles = new Set(roleWords.flatMap(looksOf));

/** `name`: tidied. `cast`: names of those who have a part in the show. A sentence for whoever chose it; null: it is free. */
export const problemWithName = (name: string, cast: readonly string[]): string | null => {
  const looks = looksOf(name);
  if (letters(bare(name)) === '') return 'A name needs a letter or a number.';
  const words = looksLike(name).split(/[^\p{L}\p{N}]+/u);
  if ([...looks, ...words].some((one) => looksOfRoles.has(one))) {
    return 'That name is for those who make the show. Choose another.';
  }
  const taken = new Set(cast.flatMap(looksOf));
  if (looks.some((one) => taken.has(one))) {
    return 'Somebody in this show has that name. Add something to yours.';
  }
  return reasonToHold(name) === null ? null : 'Choose another name.';
};
