import { PyDict, PyTuple } from '../pickle/python-values.ts';
import {
  type Frame,
  frameWidth,
  type Lowering,
  matrix,
  matrixFrame,
  requireWidth,
  type SklearnClass,
} from './lowering.ts';
import { dense, type Estimator } from './records.ts';
import { rowNormalized } from './scalers.ts';

const family = 'text vectorizers';

/** Token patterns of Python with the same meaning in RE2, which knows no Unicode word class, and a least length. */
const tokenPatterns: ReadonlyMap<string, { readonly expression: string; readonly atLeast: number }> = new Map([
  ['(?u)\\b\\w\\w+\\b', { expression: '[\\p{L}\\p{N}_]+', atLeast: 2 }],
  ['\\b\\w\\w+\\b', { expression: '[\\p{L}\\p{N}_]+', atLeast: 2 }],
  ['(?u)\\b\\w+\\b', { expression: '[\\p{L}\\p{N}_]+', atLeast: 1 }],
  ['\\b\\w+\\b', { expression: '[\\p{L}\\p{N}_]+', atLeast: 1 }],
  ['\\w+', { expression: '[\\p{L}\\p{N}_]+', atLeast: 1 }],
  ['\\w{1,}', { expression: '[\\p{L}\\p{N}_]+', atLeast: 1 }],
  ['\\w{2,}', { expression: '[\\p{L}\\p{N}_]+', atLeast: 2 }],
  ['[a-zA-Z]+', { expression: '[a-zA-Z]+', atLeast: 1 }],
  ['[a-z]+', { expression: '[a-z]+', atLeast: 1 }],
  ['[a-zA-Z0-9]+', { expression: '[a-zA-Z0-9]+', atLeast: 1 }],
]);

/** Filler that short rows get; no token can contain it. */
const padding = '\u0001pad\u0001';

/** The vocabulary by column: terms as tokens. */
function vocabularyOf(estimator: Estimator): string[] {
  const raw = estimator.raw('vocabulary_');
  if (!(raw instanceof PyDict)) throw estimator.refuse('has no vocabulary; it is not fitted');
  const terms: string[] = [];
  for (const [term, column] of raw.entries) {
    if (typeof term !== 'string') throw estimator.refuse('has a vocabulary that is not text');
    const at = dense(column, `${estimator.path}.vocabulary_`).data[0] ?? -1;
    if (!(Number.isInteger(at) && at >= 0 && at < raw.entries.length))
      estimator.refuse('has a vocabulary with a column out of range');
    terms[at] = term;
  }
  return terms;
}

function refuseUnknownOptions(estimator: Estimator): void {
  for (const name of ['tokenizer', 'preprocessor']) {
    if (estimator.has(name)) estimator.refuse(`uses a ${name} function of its own`);
  }
  if (estimator.has('strip_accents'))
    estimator.refuse(`strips accents (${String(estimator.raw('strip_accents'))}), which ONNX cannot do`);
}

function nGramRange(estimator: Estimator): [number, number] {
  const raw = estimator.raw('ngram_range');
  const [low = 1, high = 1] = raw instanceof PyTuple ? dense(raw, estimator.path).data : [];
  return [low, high];
}

/** A text column as a flat list [batch], lower case when asked. */
function plainText(estimator: Estimator, x: Frame, to: Lowering): string {
  const { graph } = to;
  const [block] = x.blocks;
  if (block === undefined || block.type !== 'string' || frameWidth(x) !== 1)
    throw estimator.refuse('needs one column of text');
  const flat = graph.op('Reshape', [block.value, graph.ints(-1)]);
  return estimator.flag('lowercase', true)
    ? graph.op('StringNormalizer', [flat], { case_change_action: 'LOWER', locale: 'C.UTF-8', is_case_sensitive: 1n })
    : flat;
}

function wordTokens(estimator: Estimator, x: Frame, to: Lowering): string {
  const { graph } = to;
  const pattern = tokenPatterns.get(estimator.text('token_pattern') ?? '');
  if (pattern === undefined)
    throw estimator.refuse(`uses the token pattern ${String(estimator.raw('token_pattern'))}, which has no equivalent`);
  const tokens = graph.op(
    'Tokenizer',
    [plainText(estimator, x, to)],
    { mark: 0n, mincharnum: BigInt(pattern.atLeast), pad_value: padding, tokenexp: pattern.expression },
    'com.microsoft',
  );
  const stopWords = stopWordsOf(estimator);
  if (stopWords.length === 0 || nGramRange(estimator)[1] === 1) return tokens;
  const isStop = graph.op('Greater', [
    graph.op(
      'LabelEncoder',
      [tokens],
      { keys_strings: stopWords, values_int64s: stopWords.map(() => 1n), default_int64: 0n },
      'ai.onnx.ml',
    ),
    graph.constant('int64', [], [0]),
  ]);
  return withoutTokens(tokens, isStop, to);
}

/** Moves the kept tokens of each row together, in order, and pads the rest, so that n-grams span removed words. */
function withoutTokens(tokens: string, isRemoved: string, to: Lowering): string {
  const { graph } = to;
  const width = graph.op('Shape', [tokens], { start: 1n, end: 2n });
  const scalarWidth = graph.op('Squeeze', [width, graph.ints(0)]);
  const place = graph.op('Range', [graph.constant('int64', [], [0]), scalarWidth, graph.constant('int64', [], [1])]);
  const order = graph.op('Where', [
    isRemoved,
    graph.op('Add', [place, scalarWidth]),
    graph.op('Add', [place, graph.op('Mul', [scalarWidth, graph.constant('int64', [], [0])])]),
  ]);
  const [, index = ''] = graph.opMany('TopK', [order, width], 2, { axis: 1n, largest: 0n, sorted: 1n });
  const blanked = graph.op('Where', [isRemoved, graph.constant('string', [], [padding]), tokens]);
  return graph.op('GatherElements', [blanked, index], { axis: 1n });
}

function stopWordsOf(estimator: Estimator): string[] {
  const raw = estimator.raw('stop_words') ?? null;
  if (raw === null) return [];
  if (raw === 'english')
    return nGramRange(estimator)[1] === 1
      ? ['the']
      : estimator.refuse('removes the built-in English stop words before making n-grams; give them as a list');
  if (typeof raw === 'string') return estimator.refuse(`uses the stop word list "${raw}"`);
  const items = raw !== null && typeof raw === 'object' && 'items' in raw ? raw.items : [];
  return items.filter(item => typeof item === 'string');
}

/** Everything Python calls white space, one character each. */
const whiteSpace = [
  ...'\t\n\v\f\r\u001c\u001d\u001e\u001f \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000',
];
/** Stands between words for char_wb; no vocabulary can contain it. */
const separator = '\u0001sep\u0001';

function isAnyOf(tokens: string, words: readonly string[], to: Lowering): string {
  const { graph } = to;
  const code = graph.op(
    'LabelEncoder',
    [tokens],
    { keys_strings: words, values_int64s: words.map(() => 1n), default_int64: 0n },
    'ai.onnx.ml',
  );
  return graph.op('Greater', [code, graph.constant('int64', [], [0])]);
}

/** The tokens one place later or earlier in each row, padded at the open end. */
function shifted(tokens: string, by: 1 | -1, to: Lowering): string {
  const { graph } = to;
  const batch = graph.op('Shape', [tokens], { start: 0n, end: 1n });
  const edge = graph.op('Expand', [
    graph.constant('string', [1, 1], [padding]),
    graph.op('Concat', [batch, graph.ints(1)], { axis: 0n }),
  ]);
  const body =
    by === 1
      ? graph.op('Slice', [tokens, graph.ints(0), graph.ints(-1), graph.ints(1)])
      : graph.op('Slice', [tokens, graph.ints(1), graph.ints(2 ** 31), graph.ints(1)]);
  return graph.op('Concat', by === 1 ? [edge, body] : [body, edge], { axis: 1n });
}

/** The characters of each text with runs of white space made one blank; for char_wb every word stands apart. */
function characterTokens(estimator: Estimator, x: Frame, splitsWords: boolean, to: Lowering): string {
  const { graph } = to;
  const characters = graph.op(
    'Tokenizer',
    [plainText(estimator, x, to)],
    { mark: 0n, mincharnum: 1n, pad_value: padding, separators: [''] },
    'com.microsoft',
  );
  const tokens = withAtLeastOneToken(characters, 1, to);
  const isSpace = isAnyOf(tokens, whiteSpace, to);
  const afterSpace = isAnyOf(shifted(tokens, 1, to), whiteSpace, to);
  const blank = graph.constant('string', [], [' ']);
  const repeated = graph.op('And', [isSpace, afterSpace]);
  if (!splitsWords) {
    const runStart = graph.op('And', [isSpace, isAnyOf(shifted(tokens, -1, to), whiteSpace, to)]);
    return withoutTokens(graph.op('Where', [runStart, blank, tokens]), repeated, to);
  }
  // Four places per character: a blank where a word starts, the character, a blank and a separator where the word ends;
  // white space itself and the places not needed are removed.
  const noWord = [...whiteSpace, padding];
  const isWord = (value: string): string => graph.op('Not', [isAnyOf(value, noWord, to)]);
  const inWord = isWord(tokens);
  const starts = graph.op('And', [inWord, graph.op('Not', [isWord(shifted(tokens, 1, to))])]);
  const ends = graph.op('And', [inWord, graph.op('Not', [isWord(shifted(tokens, -1, to))])]);
  const rest = graph.constant('string', [], [padding]);
  const place = (when: string, value: string): string =>
    graph.op('Unsqueeze', [graph.op('Where', [when, value, rest]), graph.ints(2)]);
  const places = [
    place(starts, blank),
    place(inWord, tokens),
    place(ends, blank),
    place(ends, graph.constant('string', [], [separator])),
  ];
  const stream = graph.op('Flatten', [graph.op('Concat', places, { axis: 2n })], { axis: 1n });
  return withoutTokens(stream, isAnyOf(stream, [padding], to), to);
}

/** The tokens of each text, and how a term of the vocabulary splits into tokens. */
function tokensOf(estimator: Estimator, x: Frame, to: Lowering): { tokens: string; split: (term: string) => string[] } {
  const analyzer = estimator.raw('analyzer');
  if (analyzer === 'word') return { tokens: wordTokens(estimator, x, to), split: term => term.split(' ') };
  if (analyzer === 'char' || analyzer === 'char_wb')
    return { tokens: characterTokens(estimator, x, analyzer === 'char_wb', to), split: term => [...term] };
  return estimator.refuse('uses an analyzer function of its own');
}

/** Counts of the vocabulary's n-grams, double [batch, terms]. */
function counts(estimator: Estimator, x: Frame, to: Lowering): { value: string; columns: number } {
  const { graph } = to;
  refuseUnknownOptions(estimator);
  const terms = vocabularyOf(estimator);
  const { tokens, split } = tokensOf(estimator, x, to);
  const pools = new Map<number, { tokens: string[]; column: number }[]>();
  terms.forEach((term, column) => {
    const words = split(term);
    const pool = pools.get(words.length) ?? [];
    pool.push({ tokens: words, column });
    pools.set(words.length, pool);
  });
  const longest = Math.max(...pools.keys());
  const starts: bigint[] = [];
  const strings: string[] = [];
  const indexes: bigint[] = [];
  for (let length = 1; length <= longest; length++) {
    starts.push(BigInt(strings.length));
    for (const { tokens: words, column } of pools.get(length) ?? []) {
      strings.push(...words);
      indexes.push(BigInt(column));
    }
  }
  const found = graph.op('TfIdfVectorizer', [withAtLeastOneToken(tokens, longest, to)], {
    mode: 'TF',
    min_gram_length: BigInt(Math.min(...pools.keys())),
    max_gram_length: BigInt(longest),
    max_skip_count: 0n,
    ngram_counts: starts,
    ngram_indexes: indexes,
    pool_strings: strings,
  });
  const value = graph.cast(found, 'double');
  if (!estimator.flag('binary', false)) return { value, columns: terms.length };
  return { value: graph.cast(graph.op('Greater', [value, graph.double(0)]), 'double'), columns: terms.length };
}

/** A batch of texts without any token still needs columns to count in. */
function withAtLeastOneToken(tokens: string, longest: number, to: Lowering): string {
  const { graph } = to;
  const batch = graph.op('Shape', [tokens], { start: 0n, end: 1n });
  const filler = graph.op('Expand', [
    graph.constant('string', [1, 1], [padding]),
    graph.op('Concat', [batch, graph.ints(longest)], { axis: 0n }),
  ]);
  return graph.op('Concat', [tokens, filler], { axis: 1n });
}

function countVectorizer(estimator: Estimator, x: Frame, to: Lowering): Frame {
  const { value, columns } = counts(estimator, x, to);
  return matrixFrame(value, columns);
}

/** Term frequency times inverse document frequency, normalised by row. */
function weighted(estimator: Estimator, options: Estimator, value: string, columns: number, to: Lowering): Frame {
  const { graph } = to;
  let weight = value;
  if (options.flag('sublinear_tf', false)) {
    const isPresent = graph.op('Greater', [weight, graph.double(0)]);
    const logged = graph.op('Add', [
      graph.op('Log', [graph.op('Where', [isPresent, weight, graph.double(1)])]),
      graph.double(1),
    ]);
    weight = graph.op('Where', [isPresent, logged, graph.double(0)]);
  }
  if (options.flag('use_idf', true))
    weight = graph.op('Mul', [weight, graph.double(inverseFrequencies(estimator, columns))]);
  const norm = options.raw('norm') ?? null;
  return matrixFrame(norm === null ? weight : rowNormalized(weight, String(norm), to), columns);
}

function inverseFrequencies(estimator: Estimator, columns: number): Float64Array {
  if (estimator.has('idf_')) return estimator.dense('idf_').data;
  const diagonal = estimator.raw('_idf_diag');
  if (diagonal === undefined || diagonal === null)
    return estimator.refuse('has no inverse document frequencies; it is not fitted');
  // The diagonal matrix stores exactly its diagonal, in order.
  const data = estimator.child('_idf_diag').dense('data').data;
  return data.length === columns ? data : estimator.refuse('has as many inverse document frequencies as columns');
}

function tfidfTransformer(estimator: Estimator, x: Frame, to: Lowering): Frame {
  const columns = frameWidth(x);
  if (estimator.has('idf_')) requireWidth(x, estimator.dense('idf_').data.length, estimator);
  return weighted(estimator, estimator, matrix(x, to, estimator), columns, to);
}

function tfidfVectorizer(estimator: Estimator, x: Frame, to: Lowering): Frame {
  const { value, columns } = counts(estimator, x, to);
  const inner = estimator.child('_tfidf');
  return weighted(inner, inner, value, columns, to);
}

/** Columns that hashing may make; more would fill memory with zeros. */
const maxHashColumns = 1 << 16;

/** Counts by the signed MurmurHash3 of each token, as scikit-learn hashes. */
function hashingVectorizer(estimator: Estimator, x: Frame, to: Lowering): Frame {
  const { graph } = to;
  refuseUnknownOptions(estimator);
  const columns = estimator.number('n_features') ?? 2 ** 20;
  if (columns > maxHashColumns)
    estimator.refuse(`makes ${columns} columns, more than ${maxHashColumns}; use a smaller n_features`);
  if (estimator.raw('analyzer') !== 'word' || stopWordsOf(estimator).length > 0)
    estimator.refuse('hashes characters or removes stop words, which is not supported');
  const [low, high] = nGramRange(estimator);
  const words = withAtLeastOneToken(wordTokens(estimator, x, to), 1, to);
  const sums: string[] = [];
  let gram = words;
  let next = words;
  let isReal = graph.op('Not', [isAnyOf(words, [padding], to)]);
  for (let length = 1; length <= high; length++) {
    if (length > 1) {
      next = shifted(next, -1, to);
      gram = graph.op('StringConcat', [gram, graph.op('StringConcat', [graph.constant('string', [], [' ']), next])]);
      isReal = graph.op('And', [isReal, graph.op('Not', [isAnyOf(next, [padding], to)])]);
    }
    if (length >= low) sums.push(hashedCounts(gram, isReal, columns, estimator, to));
  }
  let value = sums.reduce((sum, part) => graph.op('Add', [sum, part]));
  if (estimator.flag('binary', false)) value = graph.cast(graph.op('Greater', [value, graph.double(0)]), 'double');
  const norm = estimator.raw('norm') ?? null;
  return matrixFrame(norm === null ? value : rowNormalized(value, String(norm), to), columns);
}

function hashedCounts(gram: string, isReal: string, columns: number, estimator: Estimator, to: Lowering): string {
  const { graph } = to;
  const hash = graph.cast(graph.op('MurmurHash3', [gram], { positive: 0n, seed: 0n }, 'com.microsoft'), 'int64');
  const column = graph.op('Mod', [graph.op('Abs', [hash]), graph.constant('int64', [], [columns])]);
  // Presence counts whatever the sign is, and terms of one column must not cancel out.
  const isSigned = estimator.flag('alternate_sign', true) && !estimator.flag('binary', false);
  const sign = isSigned
    ? graph.op('Where', [graph.op('Less', [hash, graph.constant('int64', [], [0])]), graph.double(-1), graph.double(1)])
    : graph.double(1);
  const update = graph.op('Where', [isReal, sign, graph.double(0)]);
  const batch = graph.op('Shape', [gram], { start: 0n, end: 1n });
  const zeros = graph.op('Expand', [
    graph.double(0, [1, 1]),
    graph.op('Concat', [batch, graph.ints(columns)], { axis: 0n }),
  ]);
  return graph.op('ScatterElements', [zeros, column, update], { axis: 1n, reduction: 'add' });
}

export const textClasses: Readonly<Record<string, SklearnClass>> = {
  CountVectorizer: { family, transform: countVectorizer },
  TfidfVectorizer: { family, transform: tfidfVectorizer },
  HashingVectorizer: { family, transform: hashingVectorizer },
  TfidfTransformer: { family, transform: tfidfTransformer },
};
