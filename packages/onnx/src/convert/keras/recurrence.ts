import type { AttributeValue } from '../../model/build.ts';
import { batchGuard, computedConstant, type LayerCall, type Tensor, transpose } from './lowering.ts';
import { type Cell, gateCounts } from './recurrent-cell.ts';
import { scanRecurrence } from './scan-recurrence.ts';

/** What a run over the steps gives. */
export interface Recurrence {
  /** Outputs [batch, steps, units] in the order of the steps, whatever the direction. */
  readonly sequence: string;
  /** Output of the step that ran last. */
  readonly last: string;
  readonly states: readonly string[];
}

export interface RecurrenceInput {
  readonly x: Tensor;
  readonly states: readonly string[] | undefined;
  /** Runs from the last step to the first. */
  readonly isReverse: boolean;
  /** Masked steps give zeros instead of the output before them. */
  readonly isZeroMasked: boolean;
}

/** Activations that the recurrent operators of ONNX have, with the numbers they need. */
function nativeActivation(
  name: string,
  call: LayerCall,
): { readonly name: string; readonly alpha?: number; readonly beta?: number } | undefined {
  switch (name) {
    case 'sigmoid':
      return { name: 'Sigmoid' };
    case 'tanh':
      return { name: 'Tanh' };
    case 'relu':
      return { name: 'Relu' };
    case 'softsign':
      return { name: 'Softsign' };
    case 'hard_sigmoid':
      return { name: 'HardSigmoid', alpha: call.to.flavour === 'keras3' ? 1 / 6 : 0.2, beta: 0.5 };
    default:
      return undefined;
  }
}

/** Order of Keras' gates in ONNX: i o f c for LSTM; z r h is the same in both. */
const gateOrder = { lstm: [0, 3, 1, 2], gru: [0, 1, 2], simple: [0] } as const;
const operators = { lstm: 'LSTM', gru: 'GRU', simple: 'RNN' } as const;

/** Runs a cell over the steps: by the operator of ONNX where it means the same, else step by step with a Scan. */
export function runRecurrence(call: LayerCall, cell: Cell, given: RecurrenceInput): Recurrence {
  const rows = batchGuard(call, given.x);
  const input: RecurrenceInput = {
    ...given,
    x: {
      ...given.x,
      value: rows.filled(given.x.value, 3),
      mask: given.x.mask === undefined ? undefined : rows.filled(given.x.mask, 2),
    },
    states: given.states?.map(state => rows.filled(state, 2)),
  };
  const { sequence, last, states } = recur(call, cell, input);
  return { sequence: rows.cut(sequence), last: rows.cut(last), states: states.map(rows.cut) };
}

function recur(call: LayerCall, cell: Cell, input: RecurrenceInput): Recurrence {
  const inner = nativeActivation(cell.activation, call);
  const gate = nativeActivation(cell.recurrentActivation, call) ?? { name: 'Sigmoid' };
  const isNative =
    inner !== undefined &&
    (cell.kind === 'simple' || nativeActivation(cell.recurrentActivation, call) !== undefined) &&
    input.x.mask === undefined;
  if (!isNative) return scanRecurrence(call, cell, input);
  const { graph } = call;
  const { units, kind } = cell;
  const functions = kind === 'simple' ? [inner] : kind === 'gru' ? [gate, inner] : [gate, inner, inner];
  const alphas = functions.flatMap(item => (item.alpha === undefined ? [] : [item.alpha]));
  const betas = functions.flatMap(item => (item.beta === undefined ? [] : [item.beta]));
  const attributes: Record<string, AttributeValue | undefined> = {
    hidden_size: BigInt(units),
    direction: input.isReverse ? 'reverse' : 'forward',
    activations: functions.map(item => item.name),
    activation_alpha: alphas.length > 0 ? Float32Array.from(alphas) : undefined,
    activation_beta: betas.length > 0 ? Float32Array.from(betas) : undefined,
    linear_before_reset: kind === 'gru' ? (cell.resetAfter ? 1n : 0n) : undefined,
  };
  const [w, r, b] = nativeWeights(call, cell);
  const starts = (input.states ?? []).map(state => graph.op('Unsqueeze', [state, graph.ints(0)]));
  const values = graph.opMany(
    operators[kind],
    [transpose(graph, input.x.value, [1, 0, 2]), w, r, b, ...(starts.length > 0 ? ['', ...starts] : [])],
    kind === 'lstm' ? 3 : 2,
    attributes,
  );
  const [all = '', ...ends] = values;
  const sequence = transpose(graph, graph.op('Squeeze', [all, graph.ints(1)]), [1, 0, 2]);
  const states = ends.map(end => graph.op('Squeeze', [end, graph.ints(0)]));
  return { sequence, last: states[0] ?? '', states };
}

function nativeWeights(call: LayerCall, cell: Cell): [string, string, string] {
  const { units, kind, key } = cell;
  const order = gateOrder[kind];
  const gates = gateCounts[kind];
  const turned = (weight: Cell['kernel']): Float32Array => {
    const rows = weight.dims[0] ?? 0;
    const source = weight.values();
    const out = new Float32Array(source.length);
    order.forEach((gate, g) => {
      for (let u = 0; u < units; u++)
        for (let i = 0; i < rows; i++) out[(g * units + u) * rows + i] = source[i * gates * units + gate * units + u]!;
    });
    return out;
  };
  const biases = (): Float32Array => {
    const out = new Float32Array(2 * gates * units);
    order.forEach((gate, g) => {
      for (let u = 0; u < units; u++) {
        out[g * units + u] = cell.bias?.[gate * units + u] ?? 0;
        out[(gates + g) * units + u] = cell.recurrentBias?.[gate * units + u] ?? 0;
      }
    });
    return out;
  };
  const width = gates * units;
  return [
    computedConstant(call, `${key} W`, [1, width, cell.kernel.dims[0] ?? 0], () => turned(cell.kernel)),
    computedConstant(call, `${key} R`, [1, width, units], () => turned(cell.recurrent)),
    computedConstant(call, `${key} B`, [1, 2 * width], biases),
  ];
}

/** Turns the steps of a sequence around. */
export function reversedSteps(call: LayerCall, value: string): string {
  const { graph } = call;
  return graph.op('Slice', [value, graph.ints(-1), graph.ints(-(2 ** 40)), graph.ints(1), graph.ints(-1)]);
}
