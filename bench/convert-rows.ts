/**
 * Converts every fixture of the shared model collection and runs the result on the rows of its reference inputs: all
 * together, each of the first three alone, repeated up to 10,000, and on no rows. Each row must be answered as it is among
 * the reference rows. Prints a table per format and every fixture that is wrong; exit code 1 when there is one.
 *
 *   node --conditions=source bench/convert-rows.ts [format...] [--only NAME]
 *
 * 10,000 rows of images or long sequences would take minutes and gigabytes: such a fixture gets as many rows as hold
 * `maxElements` input elements and take about `budgetMs`, and the table says how few that were. No rows are not tried in
 * graphs with operators over which ONNX Runtime ends the process; the server answers such requests by itself.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { OnnxError } from '@holdfast/onnx';
import { convert } from '@holdfast/onnx/convert';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { caseOf, type Entry, feeds, isModel, sourceFiles } from './fixture-cases.ts';

const root = resolve(import.meta.dirname, '../../shared/models');
const wantedRows = 10_000;
const maxElements = 4_000_000;
const budgetMs = 2000;

/** Operators whose native code divides by an empty dimension. */
const unsafeWhenEmpty = /TopK|Conv|Pool|LSTM|GRU|RNN|Resize|Normalization|Einsum|Loop|Scan/;

type Outcome =
  | { readonly kind: 'agrees'; readonly rows: number; readonly zero: 'answered' | 'left to the server' }
  | { readonly kind: 'fixed' }
  | { readonly kind: 'refused' }
  | { readonly kind: 'wrong'; readonly why: string };

type Feeds = Readonly<Record<string, Tensor>>;

/** Elements of one row. */
const widthOf = ({ dims }: Tensor): number => dims.slice(1).reduce((product, size) => product * size, 1);

/** The given rows of every tensor, by their numbers. */
function pick(tensors: Feeds, rows: readonly number[]): Feeds {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, tensor]) => {
      const width = widthOf(tensor);
      const dims = [rows.length, ...tensor.dims.slice(1)];
      const { data } = tensor;
      if (Array.isArray(data)) {
        const texts = rows.flatMap(row => data.slice(row * width, (row + 1) * width));
        return [name, new Tensor('string', texts, dims)];
      }
      const picked = data.slice(0, 0);
      const Elements = picked.constructor as new (length: number) => typeof picked;
      const all = new Elements(rows.length * width);
      rows.forEach((row, i) => {
        all.set(data.subarray(row * width, (row + 1) * width) as never, i * width);
      });
      return [name, new Tensor(tensor.type, all as never, dims)];
    }),
  );
}

/** How far an element may be from the same one in another batch: sums are taken in another order there. */
function isSame(type: string, x: unknown, y: unknown): boolean {
  if (Object.is(x, y) || x === y) return true;
  if (typeof x !== 'number' || typeof y !== 'number') return false;
  if (type === 'uint8' || type === 'int8') return Math.abs(x - y) <= 1;
  const bar = type === 'float64' ? 1e-9 : type === 'float32' ? 2e-5 : 0;
  return Math.abs(x - y) <= bar * Math.max(1, Math.abs(x));
}

/** Why the answers for `rows` differ from those rows among the reference, or undefined. */
function difference(
  found: InferenceSession.OnnxValueMapType,
  expected: InferenceSession.OnnxValueMapType,
  rows: readonly number[],
): string | undefined {
  for (const [name, output] of Object.entries(found)) {
    const reference = expected[name]!;
    const width = widthOf(reference);
    if (output.dims[0] !== rows.length || widthOf(output) !== width)
      return `"${name}" has the shape [${output.dims.join(',')}] for ${rows.length} rows`;
    for (const [i, row] of rows.entries()) {
      for (let k = 0; k < width; k++) {
        const [mine, theirs] = [output.data[i * width + k], reference.data[row * width + k]];
        if (!isSame(output.type, theirs, mine))
          return `"${name}" of row ${row} is ${mine} among ${rows.length} rows and ${theirs} among the reference`;
      }
    }
  }
  return undefined;
}

async function tryRows(folder: string, file: string): Promise<Outcome> {
  const { model } = await convert(sourceFiles(folder, file));
  const session = await InferenceSession.create(model, { logSeverityLevel: 4 });
  try {
    const reference = caseOf(folder);
    const isFree = session.inputMetadata.every(meta => meta.isTensor && typeof meta.shape[0] !== 'number');
    if (reference === undefined || !isFree) return { kind: 'fixed' };
    const given = feeds(session, reference.inputs, folder);
    const count = Object.values(given)[0]?.dims[0] ?? 0;
    if (count === 0 || Object.values(given).some(({ dims }) => dims[0] !== count)) return { kind: 'fixed' };
    const began = performance.now();
    const together = await session.run(given);
    const ms = performance.now() - began;
    if (Object.values(together).some(({ dims }) => dims[0] !== count)) return { kind: 'fixed' };
    const elements = Object.values(given).reduce((sum, tensor) => sum + widthOf(tensor), 0);
    const rows = Math.max(
      count + 1,
      Math.min(wantedRows, Math.floor(maxElements / elements), Math.floor((budgetMs / ms) * count)),
    );
    const repeated = Array.from({ length: rows }, (_, i) => i % count);
    for (const asked of [...repeated.slice(0, Math.min(3, count)).map(row => [row]), repeated]) {
      const why = difference(await session.run(pick(given, asked)), together, asked);
      if (why !== undefined) return { kind: 'wrong', why };
    }
    if (unsafeWhenEmpty.test(Buffer.from(model).toString('latin1')))
      return { kind: 'agrees', rows, zero: 'left to the server' };
    const none = await session.run(pick(given, [])).catch(() => undefined);
    if (none === undefined) return { kind: 'agrees', rows, zero: 'left to the server' };
    const why = difference(none, together, []);
    return why === undefined ? { kind: 'agrees', rows, zero: 'answered' } : { kind: 'wrong', why };
  } finally {
    await session.release();
  }
}

async function main(): Promise<void> {
  if (!existsSync(join(root, 'MANIFEST.json'))) {
    console.error(`No model collection at ${root}; nothing to do.`);
    return;
  }
  const args = process.argv.slice(2);
  const only = args.includes('--only') ? args[args.indexOf('--only') + 1] : undefined;
  const formats = args.filter((arg, i) => !arg.startsWith('--') && args[i - 1] !== '--only');
  const { entries } = JSON.parse(readFileSync(join(root, 'MANIFEST.json'), 'utf8')) as { entries: readonly Entry[] };
  const outcomes: { readonly format: string; readonly outcome: Outcome }[] = [];
  for (const { format, name, model_files = [] } of entries) {
    if (format.startsWith('hostile') || (formats.length > 0 && !formats.includes(format))) continue;
    if (only !== undefined && !name.includes(only)) continue;
    for (const file of model_files.filter(isModel)) {
      const outcome = await tryRows(join(root, format, name), file).catch((error: unknown): Outcome => {
        if (error instanceof OnnxError) return { kind: 'refused' };
        return { kind: 'wrong', why: error instanceof Error ? error.message : String(error) };
      });
      outcomes.push({ format, outcome });
      if (outcome.kind === 'wrong') console.log(`wrong  ${format}/${name}/${file}  ${outcome.why}`);
    }
  }
  console.log('format       agree  with 10,000 rows  fewest rows  0 rows answered  fixed rows  refused  wrong');
  for (const format of new Set(outcomes.map(each => each.format))) {
    const own = outcomes.filter(each => each.format === format).map(each => each.outcome);
    const agree = own.filter(outcome => outcome.kind === 'agrees');
    const count = (kind: Outcome['kind']): string => String(own.filter(outcome => outcome.kind === kind).length);
    const columns = [
      [format, -12],
      [String(agree.length), 6],
      [String(agree.filter(({ rows }) => rows === wantedRows).length), 17],
      [agree.length === 0 ? '-' : String(Math.min(...agree.map(({ rows }) => rows))), 12],
      [String(agree.filter(({ zero }) => zero === 'answered').length), 16],
      [count('fixed'), 11],
      [count('refused'), 8],
      [count('wrong'), 6],
    ] as const;
    console.log(columns.map(([text, width]) => (width < 0 ? text.padEnd(-width) : text.padStart(width))).join(' '));
  }
  const wrong = outcomes.filter(({ outcome }) => outcome.kind === 'wrong').length;
  console.log(`\n${outcomes.length} files, ${wrong} wrong`);
  if (wrong > 0) process.exitCode = 1;
}

await main();
