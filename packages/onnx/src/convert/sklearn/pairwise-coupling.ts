import type { GraphProto } from '../../model/proto.ts';
import { GraphBuilder } from '../graph-builder.ts';
import type { Lowering } from './lowering.ts';
import { classPairs } from './support-vectors.ts';

/**
 * Class probabilities from pairwise ones by the second method of Wu, Lin and Weng (2004), with the iteration and the
 * stopping rule of libsvm: at most max(100, k) rounds, each row stops when its largest residual is below 0.005 / k.
 * @param pair probability of the first class of each pair, [batch, pairs]
 */
export function pairwiseCoupling(pair: string, classes: number, to: Lowering): string {
  const { graph } = to;
  const matrix = couplingMatrix(pair, classes, to);
  const column = graph.op('Slice', [pair, graph.ints(0), graph.ints(1), graph.ints(1)]);
  const start = graph.op('Expand', [
    graph.double(1 / classes, [1, 1]),
    graph.op('Concat', [graph.op('Shape', [column], { start: 0n, end: 1n }), graph.ints(classes)], { axis: 0n }),
  ]);
  const rounds = graph.constant('int64', [], [Math.max(100, classes)]);
  return graph.op('Loop', [rounds, graph.constant('bool', [], [true]), start], {
    body: couplingRound(matrix, classes),
  });
}

/** Q of shape [batch, k, k]: Q_tt = sum of r_jt^2 over j, Q_tj = -r_jt r_tj. */
function couplingMatrix(pair: string, classes: number, to: Lowering): string {
  const { graph } = to;
  const pairs = classPairs(classes);
  const r = new Map<string, string>();
  pairs.forEach(([i, j], p) => {
    const column = graph.op('Gather', [pair, graph.ints(p)], { axis: 1n });
    r.set(`${i},${j}`, column);
    r.set(`${j},${i}`, graph.op('Sub', [graph.double(1), column]));
  });
  const cells: string[] = [];
  for (let t = 0; t < classes; t++) {
    for (let j = 0; j < classes; j++) {
      if (j !== t) {
        cells.push(graph.op('Neg', [graph.op('Mul', [r.get(`${j},${t}`)!, r.get(`${t},${j}`)!])]));
        continue;
      }
      let sum: string | undefined;
      for (let other = 0; other < classes; other++) {
        if (other === t) continue;
        const value = r.get(`${other},${t}`)!;
        const square = graph.op('Mul', [value, value]);
        sum = sum === undefined ? square : graph.op('Add', [sum, square]);
      }
      cells.push(sum ?? graph.double(0, [1, 1]));
    }
  }
  return graph.op('Reshape', [graph.op('Concat', cells, { axis: 1n }), graph.ints(-1, classes, classes)]);
}

/** The body of the loop: rows that have converged keep their value. */
function couplingRound(matrix: string, classes: number): GraphProto {
  const body = new GraphBuilder('round');
  body.input('round_index', 'int64', []);
  body.input('round_more', 'bool', []);
  const p = body.input('round_p', 'double', [null, classes]);
  const product = (vector: string): string =>
    body.op('Squeeze', [body.op('MatMul', [matrix, body.op('Unsqueeze', [vector, body.ints(2)])]), body.ints(2)]);
  let qp = product(p);
  let pQp = body.op('ReduceSum', [body.op('Mul', [p, qp]), body.ints(1)], { keepdims: 1n });
  const residual = body.op('ReduceMax', [body.op('Abs', [body.op('Sub', [qp, pQp])]), body.ints(1)], { keepdims: 1n });
  const isActive = body.op('GreaterOrEqual', [residual, body.double(0.005 / classes)]);
  let next = p;
  for (let t = 0; t < classes; t++) {
    const unit = body.double(
      Float64Array.from({ length: classes }, (_, c) => (c === t ? 1 : 0)),
      [1, classes],
    );
    const row = body.op('Gather', [matrix, body.constant('int64', [], [t])], { axis: 1n });
    const diagonal = body.op('Gather', [row, body.ints(t)], { axis: 1n });
    const step = body.op('Div', [body.op('Sub', [pQp, body.op('Gather', [qp, body.ints(t)], { axis: 1n })]), diagonal]);
    const scale = body.op('Add', [body.double(1), step]);
    const moved = body.op('Add', [
      pQp,
      body.op('Mul', [
        step,
        body.op('Add', [
          body.op('Mul', [step, diagonal]),
          body.op('Mul', [body.double(2), body.op('Gather', [qp, body.ints(t)], { axis: 1n })]),
        ]),
      ]),
    ]);
    pQp = body.op('Div', [body.op('Div', [moved, scale]), scale]);
    qp = body.op('Div', [body.op('Add', [qp, body.op('Mul', [step, row])]), scale]);
    next = body.op('Div', [body.op('Add', [next, body.op('Mul', [step, unit])]), scale]);
  }
  const kept = body.op('Where', [isActive, next, p]);
  const more = body.cast(
    body.op('ReduceMax', [body.cast(isActive, 'int32'), body.ints(0, 1)], { keepdims: 0n }),
    'bool',
  );
  body.output(more, 'round_continue', 'bool', []);
  body.output(kept, 'round_next', 'double', [null, classes]);
  return body.finish([], '').graph;
}
