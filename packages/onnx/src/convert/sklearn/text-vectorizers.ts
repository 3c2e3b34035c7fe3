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

/** The characters of each text, runs of white space made one blank; words set apart for char_wb. */
function characterTokens(estimator: Estimator): never {
  return estimator.refuse(
    `makes n-grams of characters (analyzer "${String(estimator.raw('analyzer'))}"), which is not supported`,
  );
}

/** Counts of the vocabulary's n-grams, double [batch, terms]. */
function counts(estimator: Estimator, x: Frame, to: Lowering): { value: string; columns: number } {
  const { graph } = to;
  refuseUnknownOptions(estimator);
  const analyzer = estimator.raw('analyzer');
  if (analyzer !== 'word') characterTokens(estimator);
  const terms = vocabularyOf(estimator);
  const tokens = wordTokens(estimator, x, to);
  const pools = new Map<number, { tokens: string[]; column: number }[]>();
  terms.forEach((term, column) => {
    const words = term.split(' ');
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

export const textClasses: Readonly<Record<string, SklearnClass>> = {
  CountVectorizer: { family, transform: countVectorizer },
  TfidfVectorizer: { family, transform: tfidfVectorizer },
  TfidfTransformer: { family, transform: tfidfTransformer },
};
