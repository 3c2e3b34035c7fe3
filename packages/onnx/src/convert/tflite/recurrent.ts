import { GraphBuilder } from '../graph-builder.ts';
import { clipRange, type FusedActivation, isQuantized, type OperatorCall, type TfliteHandler } from './lowering.ts';

function activate(graph: GraphBuilder, value: string, activation: FusedActivation): string {
  if (activation === 'tanh') return graph.op('Tanh', [value]);
  if (activation === 'relu') return graph.op('Relu', [value]);
  const range = clipRange(activation);
  return range === undefined ? value : clip(graph, value, range[0], range[1]);
}

function clip(graph: GraphBuilder, value: string, low: number, high: number): string {
  return graph.op('Clip', [value, graph.constant('float', [], [low]), graph.constant('float', [], [high])]);
}

/** Where the tensors of one direction lie among the inputs, and what its cell does. */
interface Cell {
  readonly weights: number;
  readonly recurrent: number;
  readonly peephole: number;
  readonly bias: number;
  readonly projection: number;
  readonly state: number;
  readonly cellState: number;
  readonly norm: number | undefined;
  readonly activation: FusedActivation;
  readonly cellClip: number;
  readonly projectionClip: number;
  readonly isTimeMajor: boolean;
  readonly isReversed: boolean;
}

/** Input numbers of the gates: input, forget, cell, output. */
const gates = [0, 1, 2, 3] as const;

function requireReal(call: OperatorCall): void {
  if (isQuantized(call.tensor(0)) || call.tensor(0).type === 'FLOAT16')
    throw call.refuse('computes its gates in integers');
  call.to.context.notes.add(
    `${call.operator.name} starts every call from a zero state, as a layer over whole sequences does; TFLite keeps the state of the last call unless its variables are reset.`,
  );
}

/** Zeros of shape [batch, width] for the batch of the input. */
function zeroState(call: OperatorCall, width: number, isTimeMajor: boolean): string {
  const { graph } = call;
  const batch = graph.op('Gather', [graph.op('Shape', [call.value(0)]), graph.ints(isTimeMajor ? 1 : 0)], { axis: 0n });
  return graph.op('Expand', [
    graph.constant('float', [], [0]),
    graph.op('Concat', [batch, graph.ints(width)], { axis: 0n }),
  ]);
}

function transposed(call: OperatorCall, input: number): string {
  return call.graph.op('Transpose', [call.value(input)], { perm: BigInt64Array.of(1n, 0n) });
}

/** One direction of an LSTM with everything TFLite's cell has: coupled gates, peepholes, clips, norms, projection. */
function lstm(call: OperatorCall, cell: Cell): string {
  const { graph } = call;
  const isCoupled = !call.hasInput(cell.weights);
  const used = gates.filter(gate => gate !== 0 || !isCoupled);
  const cells = call.size(cell.weights + 1, 0);
  const hasNorm = cell.norm !== undefined && call.hasInput(cell.norm + 1);
  const width = call.size(cell.state, -1);
  // What does not depend on the state is computed for all steps at once.
  const inputs = used.map(gate => {
    const product = graph.op('MatMul', [call.value(0), transposed(call, cell.weights + gate)]);
    return hasNorm || !call.hasInput(cell.bias + gate)
      ? product
      : graph.op('Add', [product, call.value(cell.bias + gate)]);
  });
  const recurrent = used.map(gate => transposed(call, cell.recurrent + gate));
  const projection = call.hasInput(cell.projection) ? transposed(call, cell.projection) : undefined;
  const body = new GraphBuilder(call.to.context.uniquePrefix('cell'));
  const name = call.to.context.uniquePrefix('step');
  const state = body.input(`${name}_state`, 'float', [null, width]);
  const memory = body.input(`${name}_cell`, 'float', [null, cells]);
  const parts = used.map(gate => body.input(`${name}_gate${gate}`, 'float', [null, cells]));
  const before = (gate: (typeof gates)[number]): string => {
    const at = used.indexOf(gate);
    return body.op('Add', [parts[at]!, body.op('MatMul', [state, recurrent[at]!])]);
  };
  /** Finishes the sum of a gate; `from` is the cell its peephole looks at. */
  const gate = (number: (typeof gates)[number], peephole: number | undefined, from: string): string => {
    let sum = before(number);
    if (peephole !== undefined && call.hasInput(cell.peephole + peephole))
      sum = body.op('Add', [sum, body.op('Mul', [from, call.value(cell.peephole + peephole)])]);
    if (!hasNorm || cell.norm === undefined) return sum;
    return body.op(
      'LayerNormalization',
      [
        sum,
        call.value(cell.norm + number),
        ...(call.hasInput(cell.bias + number) ? [call.value(cell.bias + number)] : []),
      ],
      { axis: -1n, epsilon: 1e-8 },
    );
  };
  const forget = body.op('Sigmoid', [gate(1, 1, memory)]);
  const enter = isCoupled
    ? body.op('Sub', [body.constant('float', [], [1]), forget])
    : body.op('Sigmoid', [gate(0, 0, memory)]);
  const candidate = activate(body, gate(2, undefined, memory), cell.activation);
  let next = body.op('Add', [body.op('Mul', [forget, memory]), body.op('Mul', [enter, candidate])]);
  if (cell.cellClip > 0) next = clip(body, next, -cell.cellClip, cell.cellClip);
  const leave = body.op('Sigmoid', [gate(3, 2, next)]);
  let answer = body.op('Mul', [leave, activate(body, next, cell.activation)]);
  if (projection !== undefined) {
    answer = body.op('MatMul', [answer, projection]);
    if (call.hasInput(cell.projection + 1)) answer = body.op('Add', [answer, call.value(cell.projection + 1)]);
    if (cell.projectionClip > 0) answer = clip(body, answer, -cell.projectionClip, cell.projectionClip);
  }
  body.output(answer, `${name}_next_state`, 'float', [null, width]);
  body.output(next, `${name}_next_cell`, 'float', [null, cells]);
  body.output(answer, `${name}_answer`, 'float', [null, width]);
  const time = cell.isTimeMajor ? 0n : 1n;
  const direction = cell.isReversed ? 1n : 0n;
  const [, , sequence] = graph.opMany(
    'Scan',
    [zeroState(call, width, cell.isTimeMajor), zeroState(call, cells, cell.isTimeMajor), ...inputs],
    3,
    {
      body: body.finish([], '').graph,
      num_scan_inputs: BigInt(inputs.length),
      scan_input_axes: BigInt64Array.from(inputs, () => time),
      scan_input_directions: BigInt64Array.from(inputs, () => direction),
      scan_output_axes: BigInt64Array.of(time),
      scan_output_directions: BigInt64Array.of(direction),
    },
  );
  return sequence!;
}

function sequenceLstm(call: OperatorCall): void {
  requireReal(call);
  const { options } = call;
  if (options.bool(5)) throw call.refuse('has diagonal recurrent weights');
  call.result(
    lstm(call, {
      weights: 1,
      recurrent: 5,
      peephole: 9,
      bias: 12,
      projection: 16,
      state: 18,
      cellState: 19,
      norm: 20,
      activation: call.activation(0),
      cellClip: options.float32(1),
      projectionClip: options.float32(2),
      isTimeMajor: options.bool(3),
      isReversed: false,
    }),
  );
}

function bidirectionalLstm(call: OperatorCall): void {
  requireReal(call);
  const { options } = call;
  if (call.hasInput(39)) throw call.refuse('has an auxiliary input');
  const common = {
    norm: undefined,
    activation: call.activation(0),
    cellClip: options.float32(1),
    projectionClip: options.float32(2),
    isTimeMajor: options.bool(4, true),
  };
  const forward = lstm(call, {
    ...common,
    weights: 1,
    recurrent: 5,
    peephole: 9,
    bias: 12,
    projection: 16,
    state: 35,
    cellState: 36,
    isReversed: false,
  });
  const backward = lstm(call, {
    ...common,
    weights: 18,
    recurrent: 22,
    peephole: 26,
    bias: 29,
    projection: 33,
    state: 37,
    cellState: 38,
    isReversed: true,
  });
  if (options.bool(3)) call.result(call.graph.op('Concat', [forward, backward], { axis: 2n }));
  else {
    call.result(forward);
    call.result(backward, 'none', 1);
  }
}

function sequenceRnn(call: OperatorCall): void {
  requireReal(call);
  const { graph, options } = call;
  const isTimeMajor = options.bool(0);
  const activation = call.activation(1);
  const width = call.size(1, 0);
  const inputs = graph.op('Add', [graph.op('MatMul', [call.value(0), transposed(call, 1)]), call.value(3)]);
  const recurrent = transposed(call, 2);
  const body = new GraphBuilder(call.to.context.uniquePrefix('cell'));
  const name = call.to.context.uniquePrefix('step');
  const state = body.input(`${name}_state`, 'float', [null, width]);
  const part = body.input(`${name}_part`, 'float', [null, width]);
  const next = activate(body, body.op('Add', [part, body.op('MatMul', [state, recurrent])]), activation);
  body.output(next, `${name}_next`, 'float', [null, width]);
  body.output(next, `${name}_answer`, 'float', [null, width]);
  const axis = BigInt64Array.of(isTimeMajor ? 0n : 1n);
  const [, sequence] = graph.opMany('Scan', [zeroState(call, width, isTimeMajor), inputs], 2, {
    body: body.finish([], '').graph,
    num_scan_inputs: 1n,
    scan_input_axes: axis,
    scan_output_axes: axis,
  });
  call.result(sequence!);
}

/**
 * A filter over the last calls: its memory is a state that comes in and goes out, so that a caller can stream as with
 * TFLite. The new column is the input by the feature weights; the answer sums columns by the time weights per rank.
 */
function svdf(call: OperatorCall): void {
  const { graph, options, to } = call;
  const rank = options.int32(0);
  const filters = call.size(1, 0);
  const memory = call.size(2, 1);
  if (!(rank >= 1) || filters % rank !== 0) throw call.damaged(`has the rank ${rank} for ${filters} filters`);
  const units = filters / rank;
  const stateTensor = call.tensor(4);
  const type = to.requireType(stateTensor);
  const name = stateTensor.name === '' ? `state_${to.context.states.length}` : stateTensor.name;
  if (to.depth > 0) throw call.refuse('keeps a state inside a branch or loop');
  const given = graph.input(
    name,
    type,
    stateTensor.openShape.map(size => (size < 0 ? 'batch' : size)),
  );
  const stateIndex = call.index(4);
  to.setStored(stateIndex, given);
  const columns = graph.op('Reshape', [to.value(stateIndex), graph.ints(-1, filters, memory)]);
  const later = graph.op('Slice', [columns, graph.ints(1), graph.ints(memory), graph.ints(2)]);
  const fresh = graph.op('Unsqueeze', [graph.op('MatMul', [call.value(0), transposed(call, 1)]), graph.ints(2)]);
  const shifted = graph.op('Reshape', [
    graph.op('Concat', [later, fresh], { axis: 2n }),
    graph.ints(-1, filters * memory),
  ]);
  to.setReal(stateIndex, shifted);
  const next = to.stored(stateIndex);
  to.context.states.push({ name, type, shape: stateTensor.openShape, next });
  const weighted = graph.op('Mul', [
    graph.op('Reshape', [to.value(stateIndex), graph.ints(-1, filters, memory)]),
    call.value(2),
  ]);
  const summed = graph.op(
    'ReduceSum',
    [graph.op('Reshape', [weighted, graph.ints(-1, units, rank * memory)]), graph.ints(2)],
    {
      keepdims: 0n,
    },
  );
  const bias = call.hasInput(3) ? svdfBias(call) : undefined;
  call.result(bias === undefined ? summed : graph.op('Add', [summed, bias]), call.activation(1));
}

function svdfBias(call: OperatorCall): string {
  const bias = call.tensor(3);
  if (bias.type !== 'INT32') return call.value(3);
  const scale = (call.tensor(4).quantization?.scales[0] ?? 1) * (call.tensor(2).quantization?.scales[0] ?? 1);
  return call.graph.op('Mul', [call.graph.cast(call.stored(3), 'float'), call.number(scale)]);
}

export const recurrentOperators: Readonly<Record<string, TfliteHandler>> = {
  BIDIRECTIONAL_SEQUENCE_LSTM: bidirectionalLstm,
  SVDF: svdf,
  UNIDIRECTIONAL_SEQUENCE_LSTM: sequenceLstm,
  UNIDIRECTIONAL_SEQUENCE_RNN: sequenceRnn,
};
