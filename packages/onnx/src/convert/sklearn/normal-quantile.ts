import type { GraphBuilder } from '../graph-builder.ts';

// Coefficients of PPND16, lowest power first, rounded to doubles.
const middle = {
  over: [
    3.3871328727963665, 133.14166789178438, 1971.5909503065513, 13731.69376550946, 45921.95393154987, 67265.7709270087,
    33430.57558358813, 2509.0809287301227,
  ],
  under: [
    1, 42.31333070160091, 687.1870074920579, 5394.196021424751, 21213.794301586597, 39307.89580009271,
    28729.085735721943, 5226.495278852854,
  ],
};
const tail = {
  over: [
    1.4234371107496835, 4.630337846156546, 5.769497221460691, 3.6478483247632045, 1.2704582524523684,
    0.2417807251774506, 0.022723844989269184, 0.0007745450142783414,
  ],
  under: [
    1, 2.053191626637759, 1.6763848301838038, 0.6897673349851, 0.14810397642748008, 0.015198666563616457,
    0.0005475938084995345, 1.0507500716444169e-9,
  ],
};

/** Least probability that is told apart from zero; that of scikit-learn's transforms. */
const least = 1e-7 - Number.EPSILON;

function ratioOf(graph: GraphBuilder, { over, under }: typeof middle, x: string): string {
  const polynomial = (powers: readonly number[]): string =>
    powers
      .slice(0, -1)
      .reduceRight(
        (sum, factor) => graph.op('Add', [graph.op('Mul', [sum, x]), graph.double(factor)]),
        graph.double(powers.at(-1) ?? 0),
      );
  return graph.op('Div', [polynomial(over), polynomial(under)]);
}

/**
 * The quantile function of the standard normal distribution, to 1e-15 relative, of probabilities that are first kept
 * 1e-7 away from 0 and 1: the values stay within ±5.2.
 * Source: M. J. Wichura, Algorithm AS 241, Applied Statistics 37 (1988).
 * @param p a tensor of double
 */
export function normalQuantile(graph: GraphBuilder, p: string): string {
  const kept = graph.op('Min', [graph.op('Max', [p, graph.double(least)]), graph.double(1 - least)]);
  const q = graph.op('Sub', [kept, graph.double(0.5)]);
  const central = graph.op('Mul', [
    q,
    ratioOf(graph, middle, graph.op('Sub', [graph.double(0.180625), graph.op('Mul', [q, q])])),
  ]);
  const outside = graph.op('Min', [kept, graph.op('Sub', [graph.double(1), kept])]);
  const depth = graph.op('Sqrt', [graph.op('Neg', [graph.op('Log', [outside])])]);
  const outer = graph.op('Mul', [
    graph.op('Sign', [q]),
    ratioOf(graph, tail, graph.op('Sub', [depth, graph.double(1.6)])),
  ]);
  const isCentral = graph.op('LessOrEqual', [graph.op('Abs', [q]), graph.double(0.425)]);
  return graph.op('Where', [isCentral, central, outer]);
}
