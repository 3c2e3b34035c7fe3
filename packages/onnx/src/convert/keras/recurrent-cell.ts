import { activationName } from './activations.ts';
import type { Config } from './config.ts';
import { type LayerCall, refuse, type TakenWeight, takeWeight } from './lowering.ts';
import type { LayerWeights } from './weights.ts';

export type CellKind = 'lstm' | 'gru' | 'simple';

/** One recurrent cell with its weights, as Keras keeps them: gates side by side along the columns. */
export interface Cell {
  readonly kind: CellKind;
  readonly units: number;
  readonly activation: string;
  readonly recurrentActivation: string;
  /** GRU: whether the reset gate acts after the product with the recurrent weights. */
  readonly resetAfter: boolean;
  readonly kernel: TakenWeight;
  readonly recurrent: TakenWeight;
  /** Bias of the input side and of the recurrent side; GRU with reset after has both. */
  readonly bias: Float32Array | undefined;
  readonly recurrentBias: Float32Array | undefined;
  /** Distinguishes the constants of several cells of one layer. */
  readonly key: string;
}

/** Gates in Keras' order: LSTM i f c o, GRU z r h. */
export const gateCounts: Readonly<Record<CellKind, number>> = { lstm: 4, gru: 3, simple: 1 };

/** State tensors of a cell. */
export function stateCount(kind: CellKind): number {
  return kind === 'lstm' ? 2 : 1;
}

/** Reads the options and weights of a cell. `call` supplies names for messages; options come from `config`. */
export function readCell(
  call: LayerCall,
  kind: CellKind,
  config: Config,
  weights: LayerWeights,
  inputs: number,
  key: string,
): Cell {
  const own = { ...call, config };
  const units = config.whole('units');
  const gates = gateCounts[kind];
  config.ignore('unit_forget_bias', 'input_dim', 'input_length');
  for (const key of kind === 'simple' ? ['activation'] : ['activation', 'recurrent_activation'])
    if (config.raw(key) === undefined) refuse(call, `does not say its ${key}`);
  const activation = activationName(own, 'activation');
  const recurrentActivation = kind === 'simple' ? 'linear' : activationName(own, 'recurrent_activation');
  const resetAfter = kind === 'gru' && config.flag('reset_after', false);
  const hasBias = config.flag('use_bias', true);
  if (units < 1) refuse(call, 'has no units');
  const kernel = takeWeight(call, 'kernel', [inputs, gates * units], weights);
  const recurrent = takeWeight(call, 'recurrent_kernel', [units, gates * units], weights);
  const width = gates * units;
  const bias = hasBias ? takeWeight(call, 'bias', resetAfter ? [2, width] : [width], weights).values() : undefined;
  return {
    kind,
    units,
    activation,
    recurrentActivation,
    resetAfter,
    kernel,
    recurrent,
    bias: bias?.subarray(0, width),
    recurrentBias: resetAfter ? bias?.subarray(width) : undefined,
    key,
  };
}
