import { allNodes, inspectModel } from '../../inspect-model.ts';
import { readModel } from '../../model/read-model.ts';
import { distance, wrong } from './compare-outputs.ts';
import { hasOpenRows } from './draw-tensors.ts';
import { type NamedTensor, plainElements, type RunModel } from './tensor.ts';

/** Rounding of sums in another order, which runtimes choose by the number of rows. */
const consistencyBar = 1e-4;

/** Operators whose native code divides by an empty dimension and takes the whole process with it. */
const unsafeWhenEmpty = /^(TopK|.*Conv.*|.*Pool|LSTM|GRU|RNN|Resize|.*Normalization|Einsum|STFT|DFT|Loop|Scan)$/;

function crashesOnNoRows(model: Uint8Array): boolean {
  return [...allNodes(readModel(model).graph)].some(node => unsafeWhenEmpty.test(node.opType));
}

/** What a model answered to a batch of rows. */
interface Answered {
  readonly tensors: readonly NamedTensor[];
  readonly rows: number;
  readonly answers: readonly NamedTensor[];
}

/**
 * Runs the first row alone, and no rows, where the graph leaves the number of rows open.
 * @returns which numbers of rows agree, as a sentence
 * @throws OnnxError `conversion_wrong` when a row alone gets another answer than among others
 */
export async function checkConsistency(
  model: Uint8Array,
  { tensors, rows, answers: together }: Answered,
  run: RunModel,
): Promise<string> {
  const { inputs } = inspectModel(model).signature;
  if (!hasOpenRows(inputs)) return `The number of rows is fixed at ${rows}.`;
  if (!together.every(output => output.shape[0] === rows))
    return 'An output does not have one row per row of the input.';
  const alone = await run(model, tensors.map(firstRow));
  for (const output of alone) {
    const many = together.find(candidate => candidate.name === output.name);
    const ours = plainElements(output);
    const theirs = many === undefined ? [] : plainElements(firstRow(many));
    const differs = ours.some((value, i) => {
      const other = theirs[i];
      if (typeof value === 'number' && typeof other === 'number')
        return distance(value, other) > consistencyBar * Math.max(1, Math.abs(other));
      return value !== other;
    });
    if (differs)
      throw wrong(
        output.name,
        `row 0 alone gives ${ours.slice(0, 4).join(', ')} but among ${rows} rows ${theirs.slice(0, 4).join(', ')}`,
      );
  }
  if (crashesOnNoRows(model)) return rows === 1 ? '1 row runs.' : `1 row and ${rows} rows agree.`;
  try {
    await run(model, tensors.map(noRows));
    return rows === 1 ? '1 row and 0 rows run.' : `1 row, 0 rows and ${rows} rows agree.`;
  } catch {
    return `${rows === 1 ? '1 row runs' : `1 row and ${rows} rows agree`}; 0 rows are not accepted.`;
  }
}

function noRows(tensor: NamedTensor): NamedTensor {
  if (tensor.shape.length === 0) return tensor;
  return { ...tensor, shape: [0, ...tensor.shape.slice(1)], data: tensor.data.slice(0, 0) };
}

function firstRow(tensor: NamedTensor): NamedTensor {
  if (tensor.shape.length === 0) return tensor;
  const width = tensor.data.length / (tensor.shape[0] || 1);
  return { ...tensor, shape: [1, ...tensor.shape.slice(1)], data: tensor.data.slice(0, width) };
}
