import { GraphBuilder } from '../graph-builder.ts';
import { applyActivation } from './activations.ts';
import { computedConstant, type LayerCall, scalar, sizeOf, type Tensor, weightConstant } from './lowering.ts';
import type { Recurrence, RecurrenceInput } from './recurrence.ts';
import { type Cell, stateCount } from './recurrent-cell.ts';

/**
 * A recurrence written out step by step, for what the operators of ONNX cannot do: other activations, and masks, where
 * a step that does not count keeps the states and repeats the output before it.
 */
export function scanRecurrence(call: LayerCall, cell: Cell, input: RecurrenceInput): Recurrence {
  const { graph } = call;
  const { units } = cell;
  const kernel = weightConstant(call, `${cell.key} kernel`, cell.kernel);
  const product = graph.op('MatMul', [input.x.value, kernel]);
  const { bias } = cell;
  const projected =
    bias === undefined
      ? product
      : graph.op('Add', [product, computedConstant(call, `${cell.key} bias`, [bias.length], () => bias)]);
  const batch = sizeOf(graph, input.x.value, 0);
  const zeros = graph.op('Expand', [scalar(graph, 0), graph.op('Concat', [batch, graph.ints(units)], { axis: 0n })]);
  const states = stateCount(cell.kind);
  const starts = input.states ?? Array.from({ length: states }, () => zeros);
  const mask = input.x.mask;
  // The output before is a state of its own: at the start it is zero, whatever the states are.
  const carried = [...starts, ...(mask === undefined ? [] : [zeros])];
  const steps = [projected, ...(mask === undefined ? [] : [mask])];
  const recurrent = weightConstant(call, `${cell.key} recurrent`, cell.recurrent);
  const { recurrentBias } = cell;
  const extra =
    recurrentBias === undefined
      ? undefined
      : computedConstant(call, `${cell.key} recurrent bias`, [recurrentBias.length], () => recurrentBias);
  const body = stepGraph(call, cell, {
    recurrent,
    recurrentBias: extra,
    isMasked: mask !== undefined,
    isZeroMasked: input.isZeroMasked,
  });
  const direction = input.isReverse ? 1n : 0n;
  const results = graph.opMany('Scan', [...carried, ...steps], carried.length + 1, {
    body,
    num_scan_inputs: BigInt(steps.length),
    scan_input_axes: BigInt64Array.from(steps, () => 1n),
    scan_input_directions: BigInt64Array.from(steps, () => direction),
    scan_output_axes: BigInt64Array.of(1n),
    scan_output_directions: BigInt64Array.of(direction),
  });
  const ends = results.slice(0, states);
  const last = mask === undefined ? ends[0] : results[states];
  return { sequence: results.at(-1) ?? '', last: last ?? '', states: ends };
}

interface StepOptions {
  readonly recurrent: string;
  readonly recurrentBias: string | undefined;
  readonly isMasked: boolean;
  readonly isZeroMasked: boolean;
}

/** The graph of one step: states, the output before, this step's projected input and whether it counts. */
function stepGraph(outer: LayerCall, cell: Cell, options: StepOptions): ReturnType<GraphBuilder['finish']>['graph'] {
  const prefix = `${outer.path.replaceAll(/[^\w]+/g, '_')}_${cell.key}_step`;
  const graph = new GraphBuilder(prefix);
  const call: LayerCall = { ...outer, graph, to: { ...outer.to, graph } };
  const { units } = cell;
  const state = (name: string): string => graph.input(`${prefix}_${name}`, 'float', [null, units]);
  const h = state('h');
  const c = cell.kind === 'lstm' ? state('c') : undefined;
  const before = options.isMasked ? state('before') : undefined;
  const x = graph.input(`${prefix}_x`, 'float', [null, null]);
  const counts = options.isMasked ? graph.input(`${prefix}_counts`, 'bool', [null]) : undefined;
  const next = cellStep(call, cell, options, { h, c, x });
  const flag = counts === undefined ? undefined : graph.op('Unsqueeze', [counts, graph.ints(1)]);
  const kept = (value: string, old: string): string =>
    flag === undefined ? value : graph.op('Where', [flag, value, old]);
  const newH = kept(next.h, h);
  graph.output(newH, `${prefix}_h_next`, 'float', [null, units]);
  if (c !== undefined && next.c !== undefined)
    graph.output(kept(next.c, c), `${prefix}_c_next`, 'float', [null, units]);
  const output = before === undefined ? next.h : kept(next.h, options.isZeroMasked ? scalar(graph, 0) : before);
  if (before !== undefined) graph.output(output, `${prefix}_before_next`, 'float', [null, units]);
  graph.output(output, `${prefix}_y`, 'float', [null, units]);
  return graph.finish([], '').graph;
}

function cellStep(
  call: LayerCall,
  cell: Cell,
  options: StepOptions,
  { h, c, x }: { readonly h: string; readonly c: string | undefined; readonly x: string },
): { readonly h: string; readonly c?: string } {
  const { graph } = call;
  const { units } = cell;
  const tensor = (value: string): Tensor => ({ value, shape: [null, units], type: 'float' });
  const inner = (value: string): string => applyActivation(call, tensor(value), cell.activation).value;
  const gate = (value: string): string => applyActivation(call, tensor(value), cell.recurrentActivation).value;
  const columns = (value: string, from: number, to: number): string =>
    graph.op('Slice', [value, graph.ints(from * units), graph.ints(to * units), graph.ints(1)]);
  if (cell.kind === 'gru') {
    const z0 = columns(x, 0, 1);
    const r0 = columns(x, 1, 2);
    const h0 = columns(x, 2, 3);
    const mixed = (z: string, candidate: string): { readonly h: string } => {
      const rest = graph.op('Sub', [scalar(graph, 1), z]);
      return { h: graph.op('Add', [graph.op('Mul', [z, h]), graph.op('Mul', [rest, candidate])]) };
    };
    if (cell.resetAfter) {
      const raw = graph.op('MatMul', [h, options.recurrent]);
      const side = options.recurrentBias === undefined ? raw : graph.op('Add', [raw, options.recurrentBias]);
      const z = gate(graph.op('Add', [z0, columns(side, 0, 1)]));
      const r = gate(graph.op('Add', [r0, columns(side, 1, 2)]));
      return mixed(z, inner(graph.op('Add', [h0, graph.op('Mul', [r, columns(side, 2, 3)])])));
    }
    const gates = graph.op('MatMul', [h, columns(options.recurrent, 0, 2)]);
    const z = gate(graph.op('Add', [z0, columns(gates, 0, 1)]));
    const r = gate(graph.op('Add', [r0, columns(gates, 1, 2)]));
    const reset = graph.op('MatMul', [graph.op('Mul', [r, h]), columns(options.recurrent, 2, 3)]);
    return mixed(z, inner(graph.op('Add', [h0, reset])));
  }
  const sum = graph.op('Add', [x, graph.op('MatMul', [h, options.recurrent])]);
  if (cell.kind === 'simple' || c === undefined) return { h: inner(sum) };
  const input = gate(columns(sum, 0, 1));
  const forget = gate(columns(sum, 1, 2));
  const candidate = inner(columns(sum, 2, 3));
  const output = gate(columns(sum, 3, 4));
  const nextC = graph.op('Add', [graph.op('Mul', [forget, c]), graph.op('Mul', [input, candidate])]);
  return { h: graph.op('Mul', [output, inner(nextC)]), c: nextC };
}
