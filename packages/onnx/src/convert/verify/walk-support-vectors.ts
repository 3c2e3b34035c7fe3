import { dense, type Estimator, plainLabels } from '../sklearn/records.ts';
import { largest } from './shares.ts';
import { cancels, kernelOf, kernelRow, type RoundedSum, weighted } from './walk-kernels.ts';
import { type Predictor, type Row, tie } from './walked-answer.ts';

/** Kernel values of a row with the support vectors. */
function vectorKernel(estimator: Estimator): (row: Row) => RoundedSum[] {
  const vectors = estimator.dense('support_vectors_');
  const kernel = kernelOf(estimator, vectors.dims[1] ?? 0, estimator.number('_gamma') ?? 0);
  return row => kernelRow(kernel, row, vectors);
}

const sum = (one: RoundedSum, other: RoundedSum, constant: number): RoundedSum => ({
  value: one.value + other.value + constant,
  terms: one.terms + other.terms + Math.abs(constant),
});

/**
 * Decisions of the pairs (0,1), (0,2), ..., (1,2), ...: above zero for the first class. The public attributes hold the
 * coefficients of class i against class j in row j - 1 for vectors of i and in row i for those of j, and have the sign
 * turned where there are two classes.
 */
function pairDecisions(estimator: Estimator, classes: number): (row: Row) => RoundedSum[] {
  const kernel = vectorKernel(estimator);
  const dual = estimator.dense('dual_coef_');
  const vectors = dual.dims[1] ?? 0;
  const intercepts = estimator.dense('intercept_').data;
  const counts = dense(estimator.raw('_n_support') ?? estimator.raw('n_support_'), 'n_support_').data;
  const ends: number[] = [0];
  for (const count of counts) ends.push(ends.at(-1)! + count);
  return row => {
    const values = kernel(row);
    const found: RoundedSum[] = [];
    for (let i = 0; i < classes; i++) {
      for (let j = i + 1; j < classes; j++) {
        const ofFirst = weighted(values, s => dual.data[(j - 1) * vectors + s]!, ends[i]!, ends[i + 1]!);
        const ofSecond = weighted(values, s => dual.data[i * vectors + s]!, ends[j]!, ends[j + 1]!);
        const decision = sum(ofFirst, ofSecond, intercepts[found.length]!);
        found.push(classes === 2 ? { value: -decision.value, terms: decision.terms } : decision);
      }
    }
    return found;
  };
}

/** libsvm leaves the coupling where the largest residual is below this over the number of classes. */
const couplingEnd = 0.005;

/**
 * Class probabilities from those of the pairs, after Wu, Lin and Weng (2004), algorithm 2: solves the linear equations
 * of their second approach coordinate by coordinate.
 */
function coupled(pair: (i: number, j: number) => number, classes: number): { shares: number[]; isOpen: boolean } {
  const q = (t: number, j: number): number => {
    if (t !== j) return -pair(j, t) * pair(t, j);
    let sum = 0;
    for (let other = 0; other < classes; other++) if (other !== t) sum += pair(other, t) ** 2;
    return sum;
  };
  let shares = new Array<number>(classes).fill(1 / classes);
  let isOpen = false;
  const gradient = (t: number): number => shares.reduce((total, share, j) => total + q(t, j) * share, 0);
  const value = (): number => shares.reduce((total, share, t) => total + share * gradient(t), 0);
  for (let round = 0; round < Math.max(100, classes); round++) {
    const level = value();
    const residual = Math.max(...shares.map((_, t) => Math.abs(gradient(t) - level)));
    isOpen ||= Math.abs(residual - couplingEnd / classes) < 1e-9;
    if (residual < couplingEnd / classes) break;
    for (let t = 0; t < classes; t++) {
      const step = (value() - gradient(t)) / q(t, t);
      shares = shares.map((share, j) => (j === t ? share + step : share));
      const total = shares.reduce((all, share) => all + share, 0);
      shares = shares.map(share => share / total);
    }
  }
  return { shares, isOpen };
}

function coefficients(estimator: Estimator, name: 'probA' | 'probB'): Float64Array {
  const raw = estimator.raw(`_${name}`) ?? estimator.raw(`${name}_`) ?? null;
  return raw === null ? new Float64Array() : dense(raw, name).data;
}

/** Platt's sigmoid per pair, kept away from 0 and 1, then coupled. */
function probabilitiesOf(
  estimator: Estimator,
  classes: number,
): ((decisions: readonly number[]) => ReturnType<typeof coupled>) | undefined {
  if (!estimator.flag('probability', false)) return undefined;
  const a = coefficients(estimator, 'probA');
  const b = coefficients(estimator, 'probB');
  if (a.length === 0) return undefined;
  return decisions => {
    const first = decisions.map((decision, p) =>
      Math.min(1 - 1e-7, Math.max(1e-7, 1 / (1 + Math.exp(a[p]! * decision + b[p]!)))),
    );
    const at = (i: number, j: number): number => (i * (2 * classes - i - 1)) / 2 + j - i - 1;
    return coupled((i, j) => (i < j ? first[at(i, j)]! : 1 - first[at(j, i)]!), classes);
  };
}

/** One vote per pair, and the confidences of the pairs of a class squeezed into less than half a vote. */
function votesOf(decisions: readonly number[], classes: number): { votes: number[]; scores: number[] } {
  const votes = new Array<number>(classes).fill(0);
  const confidences = new Array<number>(classes).fill(0);
  let p = 0;
  for (let i = 0; i < classes; i++) {
    for (let j = i + 1; j < classes; j++) {
      const decision = decisions[p++]!;
      const winner = decision > 0 ? i : j;
      votes[winner] = votes[winner]! + 1;
      confidences[i] = confidences[i]! + decision;
      confidences[j] = confidences[j]! - decision;
    }
  }
  return {
    votes,
    scores: votes.map((vote, c) => vote + confidences[c]! / (3 * (Math.abs(confidences[c]!) + 1))),
  };
}

function supportVectorClassifier(estimator: Estimator): Predictor {
  const labels = plainLabels(estimator.labels('classes_'));
  const count = labels.length;
  const decide = pairDecisions(estimator, count);
  const probabilities = probabilitiesOf(estimator, count);
  const isPairwise = estimator.text('decision_function_shape') === 'ovo';
  const breaksTies = estimator.flag('break_ties', false) && !isPairwise && count > 2;
  return row => {
    const sums = decide(row);
    const decisions = sums.map(({ value }) => value);
    const closest = Math.min(...decisions.map(Math.abs));
    const { votes, scores } = votesOf(decisions, count);
    const winner = largest(labels, breaksTies ? scores : votes);
    const { index } = winner;
    const shares = probabilities?.(decisions);
    // Equal votes go to the first class; only a decision of a pair within rounding of zero leaves that open.
    const gap = breaksTies ? Math.min(closest, winner.gap) : closest;
    const isOpen =
      sums.some(cancels) || shares?.isOpen === true || (shares === undefined && count > 2 && closest < tie);
    const oneScore = isPairwise ? decisions : scores;
    return {
      kind: 'classes',
      labels,
      index,
      gap,
      isOpen,
      scores: count === 2 ? [-decisions[0]!] : oneScore,
      ...(shares !== undefined && { shares: shares.shares }),
    };
  };
}

/** The sum of coefficient times kernel, and the intercept. */
function singleScore(estimator: Estimator): (row: Row) => RoundedSum {
  const kernel = vectorKernel(estimator);
  const dual = estimator.dense('dual_coef_').data;
  const [intercept = 0] = estimator.dense('intercept_').data;
  return row =>
    sum(
      weighted(kernel(row), s => dual[s]!),
      { value: 0, terms: 0 },
      intercept,
    );
}

function supportVectorRegressor(estimator: Estimator): Predictor {
  const score = singleScore(estimator);
  return row => {
    const found = score(row);
    return { kind: 'values', values: [found.value], isOpen: cancels(found) };
  };
}

function oneClass(estimator: Estimator): Predictor {
  const score = singleScore(estimator);
  return row => {
    const found = score(row);
    return {
      kind: 'outlier',
      label: found.value > 0 ? 1 : -1,
      score: found.value,
      gap: Math.abs(found.value),
      isOpen: cancels(found),
    };
  };
}

/** Kernel values with the training rows times the dual coefficients. */
function kernelRidge(estimator: Estimator): Predictor {
  const table = estimator.dense('X_fit_');
  const features = table.dims[1] ?? 0;
  const kernel = kernelOf(estimator, features, estimator.number('gamma') ?? 1 / features);
  const dual = estimator.dense('dual_coef_');
  const outputs = dual.dims.length > 1 ? dual.dims[1]! : 1;
  return row => {
    const values = kernelRow(kernel, row, table);
    const found = Array.from({ length: outputs }, (_, o) => weighted(values, i => dual.data[i * outputs + o]!));
    return { kind: 'values', values: found.map(({ value }) => value), isOpen: found.some(cancels) };
  };
}

export const vectorPredictors: Readonly<Record<string, (estimator: Estimator) => Predictor>> = {
  SVC: supportVectorClassifier,
  NuSVC: supportVectorClassifier,
  SVR: supportVectorRegressor,
  NuSVR: supportVectorRegressor,
  OneClassSVM: oneClass,
  KernelRidge: kernelRidge,
};
