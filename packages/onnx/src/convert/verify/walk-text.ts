import { PyDict } from '../pickle/python-values.ts';
import { dense, type Estimator } from '../sklearn/records.ts';
import { seededNumbers } from './draw-rows.ts';
import { NotWalkable, type Row } from './walked-answer.ts';

type Analyze = (text: string) => string[];

/** A token pattern of Python as one of JavaScript: `\w` and `\b` know all letters and digits. */
function tokenPattern(pattern: string): RegExp {
  const word = '[\\p{L}\\p{N}_]';
  const source = pattern
    .replace('(?u)', '')
    .replaceAll('\\w', word)
    .replaceAll('\\b', `(?:(?<=${word})(?!${word})|(?<!${word})(?=${word}))`);
  if (pattern.includes('(', pattern.startsWith('(?u)') ? 4 : 0)) throw new NotWalkable(`the token pattern ${pattern}`);
  return new RegExp(source, 'gu');
}

/** Runs of `low` to `high` neighbouring items, the short runs first. */
function grams(items: readonly string[], low: number, high: number, between: string): string[] {
  const found: string[] = [];
  for (let length = low; length <= high; length++)
    for (let at = 0; at + length <= items.length; at++) found.push(items.slice(at, at + length).join(between));
  return found;
}

/** The terms of a text, by the documentation of CountVectorizer. @throws NotWalkable for functions of the user's own */
function analyzerOf(estimator: Estimator): Analyze {
  for (const name of ['tokenizer', 'preprocessor', 'strip_accents'])
    if (estimator.has(name)) throw new NotWalkable(`${estimator.className} with ${name}`);
  const range = estimator.raw('ngram_range') ?? null;
  const [low = 1, high = 1] = range === null ? [] : dense(range, 'ngram_range').data;
  const lowered = (text: string): string => (estimator.flag('lowercase', true) ? text.toLowerCase() : text);
  const oneBlank = (text: string): string => text.replace(/\s\s+/gu, ' ');
  switch (estimator.raw('analyzer')) {
    case 'word': {
      const pattern = tokenPattern(estimator.text('token_pattern') ?? '(?u)\\b\\w\\w+\\b');
      const stop = stopWordsOf(estimator);
      return text => {
        const words = (lowered(text).match(pattern) ?? []).filter(word => !stop.has(word));
        return grams(words, low, high, ' ');
      };
    }
    case 'char':
      return text => grams([...oneBlank(lowered(text))], low, high, '');
    case 'char_wb':
      return text =>
        oneBlank(lowered(text))
          .split(/\s+/u)
          .filter(word => word !== '')
          .flatMap(word => gramsWithinWord([...` ${word} `], low, high));
    default:
      throw new NotWalkable(`${estimator.className} with an analyzer of its own`);
  }
}

/** A word shorter than a length counts once as a whole, and not for the lengths above. */
function gramsWithinWord(characters: readonly string[], low: number, high: number): string[] {
  const found: string[] = [];
  for (let length = low; length <= high; length++) {
    if (characters.length <= length) return [...found, characters.join('')];
    found.push(...grams(characters, length, length, ''));
  }
  return found;
}

function stopWordsOf(estimator: Estimator): ReadonlySet<string> {
  const raw = estimator.raw('stop_words') ?? null;
  if (raw === null) return new Set();
  // No word of the built-in list is in a vocabulary of single words that was made without them.
  if (raw === 'english' && estimator.has('vocabulary_')) return new Set();
  if (typeof raw !== 'object' || !('items' in raw)) throw new NotWalkable('stop words by name');
  return new Set(raw.items.map(String));
}

function vocabularyOf(estimator: Estimator): ReadonlyMap<string, number> {
  const raw = estimator.raw('vocabulary_');
  if (!(raw instanceof PyDict)) throw new NotWalkable('a vectorizer without vocabulary');
  return new Map(raw.entries.map(([term, column]) => [String(term), dense(column, 'vocabulary_').data[0] ?? -1]));
}

function countsOf(estimator: Estimator): (row: Row) => number[] {
  const analyze = analyzerOf(estimator);
  const vocabulary = vocabularyOf(estimator);
  const isBinary = estimator.flag('binary', false);
  return row => {
    const counts = new Array<number>(vocabulary.size).fill(0);
    for (const term of analyze(String(row[0]))) {
      const column = vocabulary.get(term);
      if (column !== undefined) counts[column] = isBinary ? 1 : counts[column]! + 1;
    }
    return counts;
  };
}

function normalized(values: readonly number[], norm: string | undefined): number[] {
  const sizes: Readonly<Record<string, () => number>> = {
    l1: () => values.reduce((sum, x) => sum + Math.abs(x), 0),
    l2: () => Math.sqrt(values.reduce((sum, x) => sum + x * x, 0)),
    max: () => values.reduce((most, x) => Math.max(most, Math.abs(x)), 0),
  };
  const size = norm === undefined ? 1 : (sizes[norm]?.() ?? Number.NaN);
  return values.map(x => (size === 0 ? x : x / size));
}

/** tf or 1 + ln tf, times idf, over the norm of the row. */
function tfidfOf(estimator: Estimator): (counts: readonly number[]) => number[] {
  const idf = !estimator.flag('use_idf', true)
    ? undefined
    : estimator.has('idf_')
      ? estimator.dense('idf_').data
      : estimator.child('_idf_diag').dense('data').data;
  const isSublinear = estimator.flag('sublinear_tf', false);
  const norm = estimator.text('norm');
  return counts =>
    normalized(
      counts.map((count, i) => (isSublinear && count > 0 ? 1 + Math.log(count) : count) * (idf?.[i] ?? 1)),
      norm,
    );
}

function tfidfVectorizer(estimator: Estimator): (row: Row) => Row {
  const counts = countsOf(estimator);
  const weigh = tfidfOf(estimator.child('_tfidf'));
  return row => weigh(counts(row));
}

/** MurmurHash3, 32 bits, little-endian, of the bytes of a text with seed 0, as a signed number (Appleby, 2011). */
function signedHash(text: string): number {
  const bytes = new TextEncoder().encode(text);
  const rotated = (x: number, by: number): number => (x << by) | (x >>> (32 - by));
  const mixed = (k: number): number => Math.imul(rotated(Math.imul(k, 0xcc9e2d51), 15), 0x1b873593);
  const whole = bytes.length - (bytes.length % 4);
  let hash = 0;
  for (let at = 0; at < whole; at += 4) {
    const word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    hash = (Math.imul(rotated(hash ^ mixed(word), 13), 5) + 0xe6546b64) | 0;
  }
  let rest = 0;
  for (let at = bytes.length - 1; at >= whole; at--) rest = (rest << 8) | bytes[at]!;
  if (bytes.length > whole) hash ^= mixed(rest);
  hash ^= bytes.length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

/** Each term counts in the column of its hash, with the sign of the hash. */
function hashingVectorizer(estimator: Estimator): (row: Row) => Row {
  const analyze = analyzerOf(estimator);
  const columns = estimator.number('n_features') ?? 2 ** 20;
  const isSigned = estimator.flag('alternate_sign', true);
  const isBinary = estimator.flag('binary', false);
  const norm = estimator.text('norm');
  return row => {
    const sums = new Array<number>(columns).fill(0);
    for (const term of analyze(String(row[0]))) {
      const hash = signedHash(term);
      const column = Math.abs(hash) % columns;
      sums[column] = isBinary ? 1 : sums[column]! + (isSigned && hash < 0 ? -1 : 1);
    }
    return normalized(sums, norm);
  };
}

export const textTransforms: Readonly<Record<string, (estimator: Estimator) => (row: Row) => Row>> = {
  CountVectorizer: countsOf,
  TfidfVectorizer: tfidfVectorizer,
  HashingVectorizer: hashingVectorizer,
  TfidfTransformer: estimator => {
    const weigh = tfidfOf(estimator);
    return row => weigh(row.map(Number));
  },
};

/** Texts made of terms of the vocabulary, words it does not know, and what stands between words. */
export function textsFor(estimator: Estimator): string[] {
  const random = seededNumbers(7);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
  const terms = estimator.has('vocabulary_')
    ? [...vocabularyOf(estimator).keys()]
    : ['some', 'plain', 'words', 'naïve'];
  const known = terms.length === 0 ? ['words'] : terms;
  const unknown = ['qzxv', 'x', 'Ünbekannt', '42', 'under_score', 'don’t', 'Großé'];
  const between = [' ', ' ', ' ', '  ', ', ', '. ', '\n', '-', '\t '];
  const written = (term: string): string =>
    random() < 0.2 && /^[a-z ]+$/.test(term) ? (random() < 0.5 ? term.toUpperCase() : `${term}.`) : term;
  const texts = Array.from({ length: 120 }, () =>
    Array.from(
      { length: 1 + Math.floor(random() * 14) },
      () => written(pick(random() < 0.2 ? unknown : known)) + pick(between),
    ).join(''),
  );
  return ['', ' ', 'qzxv', ...texts];
}
