import { type Estimator, plainLabels } from '../sklearn/records.ts';
import { largest } from './shares.ts';
import { isotonicCurve } from './walk-isotonic.ts';
import {
  asClasses,
  type ClassAnswer,
  NotWalkable,
  type Predictor,
  tie,
  type Walking,
  type WritePredictor,
} from './walked-answer.ts';

/** Classes without a decision function, whose probabilities take its place. */
const withoutDecision = /^(DecisionTree|ExtraTree|RandomForest|KNeighbors|MLP)Classifier$|^ExtraTreesClassifier$|NB$/;

/** What calibration and one-versus-rest ask a member for: its decision function, else the probability of class 1. */
function scoring(member: Estimator): (answer: ClassAnswer) => readonly number[] {
  const byShares = withoutDecision.test(member.className);
  return answer => {
    const found = byShares ? answer.shares : answer.scores;
    if (found === undefined) throw new NotWalkable(`scores of ${member.className}`);
    return byShares && found.length === 2 ? found.slice(1) : found;
  };
}

interface Calibrated {
  readonly share: number;
  readonly isOpen: boolean;
}

function calibration(calibrator: Estimator): (score: number) => Calibrated {
  if (calibrator.className === '_SigmoidCalibration') {
    const a = calibrator.number('a_') ?? Number.NaN;
    const b = calibrator.number('b_') ?? Number.NaN;
    return score => ({ share: 1 / (1 + Math.exp(a * score + b)), isOpen: false });
  }
  if (calibrator.className !== 'IsotonicRegression') throw new NotWalkable(`calibration by ${calibrator.className}`);
  const curve = isotonicCurve(calibrator);
  return score => {
    const { value, isOpen } = curve(score);
    return { share: value, isOpen };
  };
}

function calibratedClassifier(estimator: Estimator, walk: Walking): Predictor {
  const labels = plainLabels(estimator.labels('classes_'));
  const count = labels.length;
  const members = estimator.children('calibrated_classifiers_').map(member => {
    const inner = member.child(member.has('estimator') ? 'estimator' : 'base_estimator');
    const curves = member.children(member.has('calibrators') ? 'calibrators' : 'calibrators_').map(calibration);
    return { predict: walk.predictor(inner), score: scoring(inner), curves };
  });
  return row => {
    let isOpen = false;
    const sums = labels.map(() => 0);
    for (const { predict, score, curves } of members) {
      const answer = asClasses(predict(row));
      const scores = score(answer);
      if (answer.labels.length !== count || scores.length !== curves.length)
        throw new NotWalkable('calibration on a part of the classes');
      const found = scores.map((one, i) => curves[i]!(one));
      isOpen ||= answer.isOpen === true || found.some(one => one.isOpen);
      const each = found.map(one => one.share);
      const all = count === 2 ? [1 - each[0]!, each[0]!] : each;
      const total = all.reduce((sum, share) => sum + share, 0);
      isOpen ||= total > 0 && total < tie;
      all.forEach((share, c) => {
        sums[c] = sums[c]! + (total === 0 ? 1 / count : share / total) / members.length;
      });
    }
    return { ...largest(labels, sums), isOpen };
  };
}

/** The class whose member is surest; with one member, the side of its boundary. */
function oneVersusRest(estimator: Estimator, walk: Walking): Predictor {
  const labels = plainLabels(estimator.labels('classes_'));
  const members = estimator.children('estimators_').map(member => ({
    predict: walk.predictor(member),
    score: scoring(member),
    boundary: withoutDecision.test(member.className) ? 0.5 : 0,
  }));
  return row => {
    const answers = members.map(({ predict }) => asClasses(predict(row)));
    const scores = answers.map((answer, i) => members[i]!.score(answer)[0]!);
    const positive = answers.map(answer => answer.shares?.[1]);
    const sum = positive.reduce((total: number, share) => total + (share ?? Number.NaN), 0);
    const isOpen = answers.some(answer => answer.isOpen === true) || (sum > 0 && sum < tie && members.length > 1);
    const lead = scores[0]! - members[0]!.boundary;
    const decided = largest(labels, members.length === 1 ? [-lead, lead] : scores);
    const { index, gap } = decided;
    const answer = { kind: 'classes' as const, labels, index, gap, isOpen, scores };
    if (Number.isNaN(sum)) return answer;
    const shares = members.length === 1 ? [1 - sum, sum] : positive.map(share => (share ?? 0) / sum);
    return { ...answer, shares };
  };
}

/** A vote per pair, and the confidences squeezed into less than half a vote. */
function oneVersusOne(estimator: Estimator, walk: Walking): Predictor {
  const labels = plainLabels(estimator.labels('classes_'));
  const count = labels.length;
  const members = estimator.children('estimators_').map(member => ({
    predict: walk.predictor(member),
    score: scoring(member),
  }));
  return row => {
    const votes = labels.map(() => 0);
    const confidence = labels.map(() => 0);
    let isOpen = false;
    let pair = 0;
    for (let i = 0; i < count; i++) {
      for (let j = i + 1; j < count; j++) {
        const { predict, score } = members[pair++]!;
        const answer = asClasses(predict(row));
        const winner = answer.index === 0 ? i : j;
        const [found = 0] = score(answer);
        isOpen ||= answer.isOpen === true || answer.gap < tie;
        votes[winner] = votes[winner]! + 1;
        confidence[i] = confidence[i]! - found;
        confidence[j] = confidence[j]! + found;
      }
    }
    const scores = votes.map((vote, c) => vote + confidence[c]! / (3 * (Math.abs(confidence[c]!) + 1)));
    const { index, gap } = largest(labels, scores);
    return { kind: 'classes', labels, index, gap, isOpen, ...(count > 2 && { scores }) };
  };
}

export const multiclassPredictors: Readonly<Record<string, WritePredictor>> = {
  CalibratedClassifierCV: calibratedClassifier,
  OneVsRestClassifier: oneVersusRest,
  OneVsOneClassifier: oneVersusOne,
};
