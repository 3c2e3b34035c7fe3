import type { OpRule } from './op-call.ts';
import { activationOps } from './ops/activations.ts';
import { batchSpaceOps } from './ops/batch-space.ts';
import { convolutionOps } from './ops/convolution.ts';
import { gatherOps } from './ops/gather.ts';
import { imageOps } from './ops/image.ts';
import { listOps } from './ops/lists.ts';
import { logicOps } from './ops/logic.ts';
import { mathOps } from './ops/math.ts';
import { matmulOps } from './ops/matmul.ts';
import { poolOps } from './ops/pool.ts';
import { reduceOps } from './ops/reduce.ts';
import { shapeOps } from './ops/shape.ts';
import { stridedSliceOps } from './ops/strided-slice.ts';

/** Operators that the walk over the graph resolves by itself. */
const graphOps = [
  'Const',
  'Placeholder',
  'NoOp',
  'PartitionedCall',
  'StatefulPartitionedCall',
  'If',
  'StatelessIf',
  'While',
  'StatelessWhile',
  'Switch',
  'Merge',
  'VarHandleOp',
  'ReadVariableOp',
  'ResourceGather',
  'VariableV2',
  'Variable',
] as const;

const families: readonly { readonly family: string; readonly ops: readonly (readonly [string, OpRule])[] }[] = [
  { family: 'mathematics', ops: mathOps },
  { family: 'comparison, logic and choice', ops: logicOps },
  { family: 'activations', ops: activationOps },
  { family: 'convolution', ops: convolutionOps },
  { family: 'pooling and normalisation', ops: poolOps },
  { family: 'matrix products', ops: matmulOps },
  { family: 'reduction and order', ops: reduceOps },
  { family: 'shape and layout', ops: [...shapeOps, ...stridedSliceOps, ...batchSpaceOps] },
  { family: 'gather and scatter', ops: gatherOps },
  { family: 'image', ops: imageOps },
  { family: 'lists of tensors', ops: listOps },
];

/** Every operator with a rule, by name. */
export const opRules: ReadonlyMap<string, OpRule> = new Map(families.flatMap(({ ops }) => ops));

/** The operators by family, for documentation. */
export function tensorflowOps(): readonly { readonly family: string; readonly names: readonly string[] }[] {
  const rows = families.map(({ family, ops }) => ({ family, names: ops.map(([name]) => name).sort() }));
  return [...rows, { family: 'graph, functions and variables', names: [...graphOps].sort() }];
}
