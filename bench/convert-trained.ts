// Whether conversions answer as the frameworks themselves do: trains several hundred models with the scikit-learn and
// the XGBoost of Debian (python3-sklearn, python3-xgboost), converts each, and compares the answers on rows that reach
// beyond the training data. Every difference beyond the bar is listed, and so is what does not verify itself; exit code 1
// when there is a difference.
// Usage: convert-trained [--seeds 1] [--only scikit_learn] [--python /usr/bin/python3]
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { OnnxError } from '@holdfast/onnx';
import { convert, verifyConversion } from '@holdfast/onnx/convert';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { z } from 'zod';
import { testRuntime } from '../packages/onnx/src/testing/run-model.ts';
import { temporaryFolder } from '../test/e2e/holdfast-process.ts';

const { values: options } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1' },
    only: { type: 'string' },
    python: { type: 'string', default: '/usr/bin/python3' },
  },
});

/** Largest difference allowed, relative to values above 1. XGBoost computes in float32. */
const bar = 1e-6;

const tensorSchema = z.object({
  shape: z.array(z.number()),
  data: z.array(z.union([z.number(), z.string(), z.boolean()])),
});
const referenceSchema = z.object({
  class: z.string(),
  rows: tensorSchema,
  answers: z.record(z.string(), z.union([tensorSchema, z.array(tensorSchema)])),
});

type Element = number | string;

/** A number where it can be one, with truth values as 0 and 1. */
function element(value: unknown): Element {
  if (typeof value === 'boolean' || typeof value === 'bigint') return Number(value);
  if (value === 'nan') return Number.NaN;
  if (value === 'inf' || value === '-inf') return value === 'inf' ? Infinity : -Infinity;
  return typeof value === 'number' ? value : String(value);
}

/** The largest difference of two lists; Infinity where a text or the length differs. */
function difference(got: readonly Element[], wanted: readonly Element[]): number {
  if (got.length !== wanted.length) return Infinity;
  let largest = 0;
  wanted.forEach((want, i) => {
    const have = got[i];
    if (have === want || (Number.isNaN(have) && Number.isNaN(want))) return;
    const here =
      typeof have === 'number' && typeof want === 'number'
        ? Math.abs(have - want) / Math.max(1, Math.abs(want))
        : Infinity;
    largest = here <= largest ? largest : here;
  });
  return largest;
}

/** Which outputs may answer a method, at a position among several outputs. What a booster predicts depends on its objective. */
function outputsOf(method: string, suffix: string): readonly string[] {
  switch (method) {
    case 'predict':
      return ['prediction', `label${suffix}`];
    case 'predict_proba':
      return [`probabilities${suffix}`];
    case 'decision_function':
      return ['scores'];
    case 'transform':
      return ['transformed'];
    default:
      return ['prediction', 'probabilities', 'label', 'scores'];
  }
}

/** The columns of one output among several, or of the positive class where the model reports only that one. */
function columnOf(data: readonly Element[], columns: number, column: number): readonly Element[] {
  return data.filter((_, i) => i % columns === column);
}

interface Compared {
  readonly problems: readonly string[];
  /** Whether the conversion verified itself, as it does on a user's machine. */
  readonly isVerified: boolean;
}

const run = await testRuntime();

async function compare(folder: string, key: string): Promise<Compared> {
  const reference = referenceSchema.parse(JSON.parse(readFileSync(join(folder, `${key}.json`), 'utf8')));
  const source = readFileSync(join(folder, `${key}.pkl`));
  const conversion = await convert(source);
  const { model } = conversion;
  const verification = await verifyConversion(source, conversion, { run });
  const isVerified = verification.kind === 'agrees';
  if (!isVerified) console.log(`UNVERIFIED  ${key}: ${verification.how}`);
  const session = await InferenceSession.create(model, { logSeverityLevel: 3 });
  const [input] = session.inputMetadata;
  if (input?.isTensor !== true) return { problems: ['takes no tensor'], isVerified };
  const values = reference.rows.data.map(value => Number(element(value)));
  const data = input.type === 'float32' ? Float32Array.from(values) : Float64Array.from(values);
  const got = await session.run({ [input.name]: new Tensor(data, reference.rows.shape) });
  const names = Object.keys(got);
  const outputs = names.filter(name => /^label_\d+$/.test(name)).length;
  const problems: string[] = [];
  const check = (method: string, wanted: readonly Element[], position: number): void => {
    const candidates = outputsOf(method, outputs > 0 ? `_${position}` : '').filter(name => names.includes(name));
    // Not every class whose scores scikit-learn can compute gets them as an output.
    if (candidates.length === 0 && method === 'decision_function') return;
    const found = candidates.map(name => {
      const have = Array.from(got[name]?.data ?? [], element);
      const isPairOfClasses = method === 'booster' && have.length === 2 * wanted.length;
      return difference(isPairOfClasses ? columnOf(have, 2, 1) : have, wanted);
    });
    const least = Math.min(Infinity, ...found);
    if (!(least <= bar)) problems.push(`${method}${position > 0 ? ` ${position}` : ''} by ${least.toExponential(1)}`);
  };
  for (const [method, answer] of Object.entries(reference.answers)) {
    const parts = Array.isArray(answer) ? answer.map(part => part.data.map(element)) : [answer.data.map(element)];
    if (outputs > 1 && parts.length === 1)
      for (let i = 0; i < outputs; i++) check(method, columnOf(parts[0] ?? [], outputs, i), i);
    else for (const [i, part] of parts.entries()) check(method, part, i);
  }
  return { problems, isVerified };
}

const table: Record<string, string | number>[] = [];
let isWrong = false;
for (const script of ['scikit_learn', 'xgboost_models']) {
  if (options.only !== undefined && options.only !== script) continue;
  const total = { models: 0, equal: 0, refused: 0, wrong: 0, verified: 0 };
  for (let seed = 0; seed < Number(options.seeds); seed++) {
    using folder = temporaryFolder();
    execFileSync(options.python, [join(import.meta.dirname, `trained/${script}.py`), folder.path, String(seed)], {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1' },
    });
    for (const file of readdirSync(folder.path).filter(name => name.endsWith('.pkl'))) {
      const key = file.slice(0, -'.pkl'.length);
      total.models++;
      try {
        const { problems, isVerified } = await compare(folder.path, key);
        if (isVerified) total.verified++;
        if (problems.length === 0) total.equal++;
        else {
          total.wrong++;
          console.log(`DIFFERS  ${key}: ${problems.join(', ')}`);
        }
      } catch (error) {
        if (!(error instanceof OnnxError)) throw error;
        total.refused++;
        console.log(`REFUSED  ${key}: ${error.message}`);
      }
    }
  }
  isWrong ||= total.wrong > 0;
  table.push({ trained: script, ...total });
}
console.table(table);
if (isWrong) process.exitCode = 1;
