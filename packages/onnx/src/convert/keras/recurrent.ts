import { isFromKeras } from './architecture.ts';
import { Config, isList, isObject, type JsonObject } from './config.ts';
import {
  asFloat,
  knownSize,
  type LayerCall,
  type LayerTypes,
  layerTitle,
  refuse,
  requireRank,
  type Tensor,
  tensorsIn,
} from './lowering.ts';
import { type Recurrence, reversedSteps, runRecurrence } from './recurrence.ts';
import { type Cell, type CellKind, readCell, stateCount } from './recurrent-cell.ts';
import type { LayerWeights } from './weights.ts';

const layerKinds: Readonly<Record<string, CellKind>> = { LSTM: 'lstm', GRU: 'gru', SimpleRNN: 'simple' };
const cellKinds: Readonly<Record<string, CellKind>> = { LSTMCell: 'lstm', GRUCell: 'gru', SimpleRNNCell: 'simple' };

/** A recurrent layer, read but not yet written. */
interface RecurrentLayer {
  readonly cells: readonly Cell[];
  readonly returnsSequence: boolean;
  readonly returnsState: boolean;
  readonly isReverse: boolean;
  readonly isZeroMasked: boolean;
}

/** Reads a recurrent layer of a class name and options; a bidirectional layer does so for each direction. */
function readRecurrent(
  call: LayerCall,
  className: string,
  config: Config,
  weights: LayerWeights,
  inputs: number,
  key: string,
): RecurrentLayer {
  const kind = layerKinds[className];
  if (kind === undefined && className !== 'RNN') return refuse(call, `runs a ${className}, which is not supported`);
  if (config.flag('stateful', false))
    refuse(
      call,
      'is stateful: it keeps its state between calls, which a served model must not; build it with stateful=False',
    );
  if (config.flag('time_major', false)) refuse(call, 'takes the steps before the batch');
  config.ignore('input_dim', 'input_length', 'consume_less');
  const rest = {
    returnsSequence: config.flag('return_sequences', false),
    returnsState: config.flag('return_state', false),
    isReverse: config.flag('go_backwards', false),
    isZeroMasked: config.flag('zero_output_for_mask', false),
  };
  if (kind !== undefined) return { cells: [readCell(call, kind, config, weights.child('cell'), inputs, key)], ...rest };
  const cell = config.raw('cell');
  if (!isObject(cell)) return refuse(call, 'has no cell');
  return { cells: readCells(call, cell, weights.child('cell'), inputs, key), ...rest };
}

/** One cell, or several stacked ones where each runs on the outputs of the one before. */
function readCells(call: LayerCall, cell: JsonObject, weights: LayerWeights, inputs: number, key: string): Cell[] {
  const className = String(cell.class_name);
  const config = isObject(cell.config) ? cell.config : {};
  if (!isFromKeras(cell.module)) refuse(call, `runs the cell ${className} of another package`);
  if (className === 'StackedRNNCells') {
    if (config.reverse_state_order === true) refuse(call, 'reverses the order of the states of its cells');
    const list = isList(config.cells) ? config.cells : [];
    if (list.length === 0) refuse(call, 'stacks no cells');
    const places = weights.model(
      list.map(item => ({
        name: isObject(item) && isObject(item.config) ? String(item.config.name) : '',
        className: isObject(item) ? String(item.class_name) : '',
      })),
    );
    let width = inputs;
    return list.flatMap((item, i) => {
      if (!isObject(item)) return refuse(call, 'stacks something that is no cell');
      const cells = readCells(call, item, places(i), width, `${key}${i}`);
      width = cells.at(-1)?.units ?? width;
      return cells;
    });
  }
  const kind = cellKinds[className];
  if (kind === undefined) return refuse(call, `runs the cell ${className}, which is not supported`);
  const own = new Config(config, `${layerTitle(call.spec)}, cell ${className}`);
  const read = readCell(call, kind, own, weights, inputs, key);
  refuseUnread(call, own);
  return [read];
}

function refuseUnread(call: LayerCall, config: Config): void {
  const [unread] = config.unread();
  if (unread !== undefined) config.refuse(unread, `a known option of ${call.spec.className}`);
}

/** Runs the cells of a layer one after the other; outputs stay in the order of the steps. */
function runLayer(call: LayerCall, layer: RecurrentLayer, x: Tensor, states: readonly Tensor[]): Recurrence {
  const wanted = layer.cells.reduce((sum, cell) => sum + stateCount(cell.kind), 0);
  if (states.length !== 0 && states.length !== wanted)
    refuse(call, `is given ${states.length} initial states for ${wanted}`);
  if (layer.cells.length > 1 && x.mask !== undefined) refuse(call, 'runs stacked cells over masked steps');
  let source = x;
  let taken = 0;
  const ends: string[] = [];
  let result: Recurrence | undefined;
  for (const cell of layer.cells) {
    const count = stateCount(cell.kind);
    const own = states.slice(taken, taken + count).map(state => asFloat(call.graph, state).value);
    taken += count;
    result = runRecurrence(call, cell, {
      x: source,
      states: own.length > 0 ? own : undefined,
      isReverse: layer.isReverse,
      isZeroMasked: layer.isZeroMasked,
    });
    ends.push(...result.states);
    source = { ...source, value: result.sequence, shape: [...x.shape.slice(0, 2), cell.units] };
  }
  return result === undefined ? refuse(call, 'has no cells') : { ...result, states: ends };
}

/** The input and the initial states of a call, in any of the ways Keras takes them. */
function inputsOf(call: LayerCall): { readonly x: Tensor; readonly states: readonly Tensor[] } {
  const given = tensorsIn(call.args);
  const [x, ...positional] = given;
  const named = call.kwargs.get('initial_state');
  if (call.kwargs.get('constants') !== undefined && tensorsIn([call.kwargs.get('constants')!]).length > 0)
    refuse(call, 'is called with constants');
  if (x === undefined) return refuse(call, 'has no input');
  const explicit = call.kwargs.get('mask');
  const mask = explicit === undefined ? undefined : tensorsIn([explicit])[0];
  requireRank(call, x, 3);
  const states = named === undefined ? positional : tensorsIn([named]);
  return { x: { ...asFloat(call.graph, x), mask: mask?.value ?? x.mask }, states };
}

function recurrent(call: LayerCall): Tensor[] {
  const { x, states } = inputsOf(call);
  const layer = readRecurrent(call, call.spec.className, call.config, call.weights, knownSize(call, x, 2), 'cell');
  const result = runLayer(call, layer, x, states);
  const units = layer.cells.at(-1)?.units ?? null;
  const batch = x.shape[0] ?? null;
  const sequence = layer.isReverse && layer.returnsSequence ? reversedSteps(call, result.sequence) : result.sequence;
  // Keras hands the mask on as it came, also behind a layer that runs backwards.
  const output: Tensor = layer.returnsSequence
    ? { value: sequence, shape: [batch, x.shape[1] ?? null, units], type: 'float', mask: x.mask }
    : { value: result.last, shape: [batch, units], type: 'float' };
  return layer.returnsState ? [output, ...stateTensors(layer, result, batch)] : [output];
}

function stateTensors(layer: RecurrentLayer, { states }: Recurrence, batch: number | null): Tensor[] {
  const units = layer.cells.flatMap(cell => Array.from({ length: stateCount(cell.kind) }, () => cell.units));
  return states.map((value, i) => ({ value, shape: [batch, units[i] ?? null], type: 'float' }));
}

const mergeModes = ['concat', 'sum', 'mul', 'ave'] as const;

function bidirectional(call: LayerCall): Tensor[] {
  const { graph, config } = call;
  const { x, states } = inputsOf(call);
  const width = knownSize(call, x, 2);
  const forwardSpec = config.raw('layer');
  const backwardSpec = config.raw('backward_layer');
  const mode = config.has('merge_mode') ? config.word('merge_mode', mergeModes) : undefined;
  config.ignore('return_sequences', 'return_state', 'num_outputs', 'weights');
  if (!isObject(forwardSpec)) return refuse(call, 'has no layer');
  const read = (
    spec: JsonObject,
    isOpposite: boolean,
    key: string,
    ...attributes: readonly string[]
  ): RecurrentLayer => {
    if (!isFromKeras(spec.module)) refuse(call, `runs a ${String(spec.class_name)} of another package`);
    const inner = new Config(isObject(spec.config) ? spec.config : {}, `${layerTitle(call.spec)}, ${key} layer`);
    const layer = readRecurrent(call, String(spec.class_name), inner, call.weights.child(...attributes), width, key);
    refuseUnread(call, inner);
    return {
      ...layer,
      isReverse: isOpposite ? !layer.isReverse : layer.isReverse,
      isZeroMasked: call.to.flavour !== 'tfjs' && layer.returnsSequence,
    };
  };
  const forward = read(forwardSpec, false, 'forward', 'forward_layer');
  const isOwn = isObject(backwardSpec);
  const backward = read(isOwn ? backwardSpec : forwardSpec, !isOwn, 'backward', 'backward_layer');
  if (backward.isReverse === forward.isReverse || backward.returnsSequence !== forward.returnsSequence)
    refuse(call, 'has two layers that do not run in opposite directions');
  const half = states.length / 2;
  const there = runLayer(call, forward, x, states.slice(0, half));
  const back = runLayer(call, backward, x, states.slice(half));
  const batch = x.shape[0] ?? null;
  const units = forward.cells.at(-1)?.units ?? 0;
  const otherUnits = backward.cells.at(-1)?.units ?? 0;
  const steps = x.shape[1] ?? null;
  const { returnsSequence } = forward;
  // A forward layer that itself runs backwards gives its outputs in that order, and the other one is turned to match.
  const ordered = (value: string): string =>
    forward.isReverse && returnsSequence ? reversedSteps(call, value) : value;
  const a = ordered(returnsSequence ? there.sequence : there.last);
  const b = ordered(returnsSequence ? back.sequence : back.last);
  const shape = (size: number): readonly (number | null)[] => (returnsSequence ? [batch, steps, size] : [batch, size]);
  const mask = returnsSequence ? x.mask : undefined;
  const tensor = (value: string, size: number): Tensor => ({ value, shape: shape(size), type: 'float', mask });
  const outputs =
    mode === undefined
      ? [tensor(a, units), tensor(b, otherUnits)]
      : mode === 'concat'
        ? [tensor(graph.op('Concat', [a, b], { axis: -1n }), units + otherUnits)]
        : [tensor(mergedPair(call, a, b, mode), units)];
  if (!forward.returnsState) return outputs;
  return [...outputs, ...stateTensors(forward, there, batch), ...stateTensors(backward, back, batch)];
}

function mergedPair(call: LayerCall, a: string, b: string, mode: 'sum' | 'mul' | 'ave'): string {
  const { graph } = call;
  if (mode === 'mul') return graph.op('Mul', [a, b]);
  const sum = graph.op('Add', [a, b]);
  return mode === 'sum' ? sum : graph.op('Mul', [sum, graph.constant('float', [], [0.5])]);
}

const family = 'recurrent';
const kwargs = ['initial_state', 'constants', 'mask'];
const positional = ['initial_state', 'mask', 'training'];

export const recurrentLayers: LayerTypes = {
  LSTM: { family, mask: 'use', kwargs, positional, emit: recurrent },
  GRU: { family, mask: 'use', kwargs, positional, emit: recurrent },
  SimpleRNN: { family, mask: 'use', kwargs, positional, emit: recurrent },
  RNN: { family, mask: 'use', kwargs, positional, emit: recurrent },
  Bidirectional: { family, mask: 'use', kwargs, positional, emit: bidirectional },
};
