import type { OpCall, OpRule } from '../op-call.ts';
import type { TfShape } from '../tf-graph.ts';
import { fusedSteps } from './activations.ts';
import { broadcastShape } from './math.ts';

/** A matrix with its last two axes exchanged. */
function exchanged(call: OpCall, i: number, name: string): string {
  const rank = call.requireRank(i);
  const perm = Array.from({ length: rank }, (_, axis) => axis);
  [perm[rank - 2], perm[rank - 1]] = [rank - 1, rank - 2];
  return call.transpose(name, perm);
}

function productShape(call: OpCall, flipA: boolean, flipB: boolean): TfShape {
  const [a, b] = [call.tensor(0).shape, call.tensor(1).shape];
  if (a === undefined || b === undefined || a.length < 2 || b.length < 2) return undefined;
  const rows = a[a.length - (flipA ? 1 : 2)] ?? null;
  const columns = b[b.length - (flipB ? 2 : 1)] ?? null;
  return [...(broadcastShape(a.slice(0, -2), b.slice(0, -2)) ?? []), rows, columns];
}

const matmul =
  (flipNames: readonly [string, string]): OpRule =>
  call => {
    const { dtype } = call.tensor(0);
    const [flipA, flipB] = flipNames.map(name => call.flag(name));
    const names = [0, 1].map(i => call.in(i));
    const result = call.widened(names, dtype, ([a = '', b = '']) =>
      call.op('MatMul', [flipA === true ? exchanged(call, 0, a) : a, flipB === true ? exchanged(call, 1, b) : b]),
    );
    const value = call.like(result, productShape(call, flipA === true, flipB === true));
    if ((call.node.attrs.get('fused_ops')?.list?.s.length ?? 0) === 0) return value;
    return { ...value, name: fusedSteps(call, value.name, dtype, 2) };
  };

const einsum: OpRule = call => {
  const { dtype } = call.tensor(0);
  const equation = call.text('equation', '').replaceAll(' ', '');
  if (!/^[a-zA-Z.,]+->[a-zA-Z.]*$/.test(equation)) return call.refuse(`the equation "${equation}" is not understood`);
  const names = call.inputs.map((_, i) => call.in(i));
  const result = call.widened(names, dtype, wide => call.op('Einsum', wide, { equation }));
  const letters = equation.split('->')[1] ?? '';
  const shape = letters.includes('.') ? undefined : Array.from(letters, () => null);
  return call.value(result, dtype, shape);
};

export const matmulOps: readonly [string, OpRule][] = [
  ['MatMul', matmul(['transpose_a', 'transpose_b'])],
  ['_FusedMatMul', matmul(['transpose_a', 'transpose_b'])],
  ['BatchMatMul', matmul(['adj_x', 'adj_y'])],
  ['BatchMatMulV2', matmul(['adj_x', 'adj_y'])],
  ['BatchMatMulV3', matmul(['adj_x', 'adj_y'])],
  ['Einsum', einsum],
];
