import type { GraphBuilder } from '../graph-builder.ts';

// Coefficients of PPND16, lowest power first.
const middle = {
  over: [
    3.387132872796366608, 133.14166789178437745, 1971.5909503065514427, 13731.693765509461125, 45921.953931549871457,
    67265.770927008700853, 33430.575583588128105, 2509.0809287301226727,
  ],
  under: [
    1, 42.313330701600911252, 687.1870074920579083, 5394.1960214247511077, 21213.794301586595867, 39307.89580009271061,
    28729.085735721942674, 5226.495278852854561,
  ],
};
const tail = {
  over: [
    1.42343711074968357734, 4.6303378461565452959, 5.7694972214606914055, 3.64784832476320460504,
    1.27045825245236838258, 0.24178072517745061177, 0.0227238449892691845833, 7.7454501427834140764e-4,
  ],
  under: [
    1, 2.05319162663775882187, 1.6763848301838038494, 0.68976733498510000455, 0.14810397642748007459,
    0.0151986665636164571966, 5.475938084995344946e-4, 1.05075007164441684324e-9,
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
