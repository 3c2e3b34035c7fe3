import { OnnxError } from '../../onnx-error.ts';
import type { DecisionTree } from './tree-ensemble.ts';

/**
 * Checks that a tree is a tree: children exist, every node has one parent, features are within the input.
 * @throws OnnxError `source_malformed`
 */
export function checkTree(tree: DecisionTree, features: number, where: string): DecisionTree {
  const count = tree.left.length;
  const seen = new Uint8Array(count);
  const stack = [0];
  if (count === 0) throw damaged(where, 'it has no nodes');
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (seen[node] === 1) throw damaged(where, `node ${node} has two parents`);
    seen[node] = 1;
    const left = tree.left[node]!;
    if (left < 0) continue;
    const right = tree.right[node]!;
    if (left >= count || right < 0 || right >= count) throw damaged(where, `node ${node} has a child outside the tree`);
    const feature = tree.feature[node]!;
    if (!(feature >= 0 && feature < features))
      throw damaged(where, `node ${node} splits on feature ${feature}, but there are ${features} features`);
    stack.push(right, left);
  }
  return tree;
}

function damaged(where: string, what: string): OnnxError {
  return new OnnxError('source_malformed', `The tree ${where} is damaged: ${what}; save the model again.`, {
    node: where,
  });
}
