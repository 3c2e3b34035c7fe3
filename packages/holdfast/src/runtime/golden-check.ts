import type { Tensor, TensorData, TensorSpec } from '@holdfast/api';
import { type GoldenValues, goldenInputs, hasFreeBatch } from './golden-inputs.ts';
import type { RunAnswer } from './runner.ts';

/** What golden requests showed. That one of them failed says nothing about real inputs, so it is a note. */
export interface GoldenReport {
  /** Time per row in ms, by batch size, in the order of the runs; empty when the model refused the golden input. */
  readonly runs: readonly { readonly batch: number; readonly msPerRow: number }[];
  /**
   * Whether requests may share a run: `yes` when each row of a batch was answered as it is alone, `no` when not or when
   * the batch is fixed, `unknown` when the golden input could not tell.
   */
  readonly sharesRuns: 'yes' | 'no' | 'unknown';
  /** Sentences for the person who deploys. */
  readonly notes: readonly string[];
}

export interface GoldenSubject {
  run(inputs: readonly Tensor[]): Promise<RunAnswer>;
  reasonOf(error: unknown): string;
}

const batch = 8;
/** Rows of the batch that are also asked alone. */
const probes = [0, 5];

/**
 * Asks a loaded model golden requests at batch 1 and 8. Larger requests are left out when the first took so long that
 * they would not fit into the budget.
 */
export async function checkGolden(
  subject: GoldenSubject,
  specs: readonly TensorSpec[],
  budgetMs: number,
): Promise<GoldenReport> {
  const runs: { batch: number; msPerRow: number }[] = [];
  const notes: string[] = [];
  const ask = async (
    inputs: readonly Tensor[] | undefined,
    rows: number,
    what: string,
  ): Promise<Tensors | undefined> => {
    if (inputs === undefined) {
      notes.push(`${what} was left out: a fixed input shape is too large for it.`);
      return undefined;
    }
    try {
      const { outputs, inferUs } = await subject.run(inputs);
      runs.push({ batch: rows, msPerRow: inferUs / 1000 / rows });
      return outputs;
    } catch (error) {
      notes.push(`${what} failed: ${subject.reasonOf(error)}`);
      return undefined;
    }
  };
  const began = performance.now();
  const alone = await ask(goldenInputs(specs, 1), 1, 'A golden request of one row');
  const firstMs = performance.now() - began;
  if (!hasFreeBatch(specs)) return { runs, sharesRuns: 'no', notes };
  if (firstMs * (batch + probes.length) > budgetMs) {
    notes.push('Golden requests of several rows were left out, because one row took long.');
    return { runs, sharesRuns: 'unknown', notes };
  }
  for (const values of ['varied', 'zero'] satisfies GoldenValues[]) {
    const inputs = goldenInputs(specs, batch, values);
    const together = await ask(inputs, batch, `A golden request of ${batch} rows`);
    if (inputs === undefined || together === undefined) continue;
    if (!together.every(output => output.shape[0] === batch)) return { runs, sharesRuns: 'no', notes };
    if (values === 'zero' || alone === undefined) return { runs, sharesRuns: 'unknown', notes };
    return { runs, sharesRuns: await agree(inputs, together, ask), notes };
  }
  return { runs, sharesRuns: 'unknown', notes };
}

type Tensors = readonly Tensor[];
type Ask = (inputs: Tensors, rows: number, what: string) => Promise<Tensors | undefined>;

async function agree(inputs: Tensors, together: Tensors, ask: Ask): Promise<GoldenReport['sharesRuns']> {
  for (const row of probes) {
    const alone = await ask(rowsOf(inputs, row), 1, 'A golden request of one row');
    if (alone === undefined) return 'unknown';
    const same = alone.every((output, i) => output.shape[0] === 1 && isClose(output, rowsOf(together, row)[i]!));
    if (!same) return 'no';
  }
  return 'yes';
}

/** Row `row` of tensors whose first dimension is the batch. */
function rowsOf(tensors: Tensors, row: number): Tensors {
  return tensors.map(tensor => {
    const width = tensor.data.length / (tensor.shape[0] ?? 1);
    const data: TensorData = tensor.data.slice(row * width, (row + 1) * width);
    return { ...tensor, shape: [1, ...tensor.shape.slice(1)], data };
  });
}

/**
 * Equal up to what another order of summation may change in a deep network: 1 %, or 16 steps of half precision. Rows
 * that influence each other differ by far more.
 */
function isClose(a: Tensor, b: Tensor): boolean {
  if (a.data.length !== b.data.length || a.shape.length !== b.shape.length) return false;
  const isReal = a.datatype === 'FP32' || a.datatype === 'FP64';
  for (let i = 0; i < a.data.length; i++) {
    const [x, y] = [a.data[i]!, b.data[i]!];
    if (Object.is(x, y) || x === y) continue;
    if (typeof x !== 'number' || typeof y !== 'number') return false;
    if (a.datatype === 'FP16' && Math.abs(x - y) <= 16) continue;
    if (!isReal || !(Math.abs(x - y) <= 0.01 * Math.max(1, Math.abs(x)))) return false;
  }
  return true;
}
