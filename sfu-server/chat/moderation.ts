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

/** Without what is not seen, joiners and variants of emoji among it, and without accents. */
const bare = (text: string): string =>
  text
    .normalize('NFKD')
    .replace(/[\p{Default_Ignorable_Code_Point}\p{Cf}\p{M}]/gu, '')
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
const roleWords = [
  ['host', 'hosts', 'cohost', 'cohosts', 'director', 'studio', 'official'],
  ['mod', 'mods', 'moderator', 'moderators', 'admin', 'admins', 'staff', 'team', 'seller', 'support'],
].flat();
/** What people put around a name to claim that it is theirs. */
const claims = ['the', 'your', 'you', 'our', 'my', 'im', 'iam', 'its', 'real', 'official', 'live', 'show'];

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
/** The name as one word and each of its words, also `WrittenLikeThis`, and each without figures around it. */
const wordsOf = (name: string): string[] => {
  const apart = bare(name).replace(/(\p{Ll})(\p{Lu})/gu, '$1 $2');
  const words = [apart, looksLike(apart)].flatMap((text) => text.split(/[^\p{L}\p{N}]+/u));
  return [name, ...words].flatMap((word) => [word, word.replace(/^\p{N}+|\p{N}+$/gu, '')]);
};

const either = (words: readonly string[]): string => [...new Set(words.flatMap(looksOf))].join('|');
const claimed = new RegExp(`^(?:${either(claims)})+|(?:${either(claims)})+$`, 'g');
const readsAsRole = new RegExp(`^(?:${either(claims)})*(?:${either(roleWords)})(?:${either(claims)})*$`);

/** Letters of these are drawn like Latin ones; no language writes a name in both. */
const drawnLikeLatin = /[\p{Script=Cyrillic}\p{Script=Greek}\p{Script=Coptic}]/u;

/** What the names of those who have a part in the show look like. Made anew when one of them changes. */
export const looksOfCast = (names: readonly string[]): ReadonlySet<string> =>
  new Set(names.flatMap(looksOf).filter((look) => look !== ''));

/** `name`: tidied. A sentence for whoever chose it; null: it is free. */
export const problemWithName = (name: string, cast: ReadonlySet<string>): string | null => {
  if (letters(bare(name)) === '') return 'A name needs a letter or a number.';
  if (/\p{Script=Latin}/u.test(bare(name)) && drawnLikeLatin.test(bare(name))) {
    return 'Write your name in the letters of one alphabet.';
  }
  if (
    wordsOf(name)
      .flatMap(looksOf)
      .some((look) => readsAsRole.test(look))
  ) {
    return 'That name is for those who make the show. Choose another.';
  }
  if (looksOf(name).some((look) => cast.has(look) || cast.has(look.replace(claimed, '')))) {
    return 'Somebody in this show has that name. Add something to yours.';
  }
  return reasonToHold(name) === null ? null : 'Choose another name.';
};
