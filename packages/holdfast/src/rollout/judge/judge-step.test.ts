import { type JudgeConfig, judgeSchema, parsePlan } from '@holdfast/api';
import { createRng, type Rng } from '@holdfast/stats';
import { expect, test } from 'vitest';
import { Histogram } from '../../telemetry/index.ts';
import { settingsOf } from './checks.ts';
import { addBlock, addLabels, type EvidenceBlock, noEvidence, type StepEvidence } from './evidence.ts';
import { judgeStep } from './judge-step.ts';

interface Arm {
  readonly errors?: number;
  readonly slowness?: number;
  readonly classes?: readonly number[];
  readonly nonFinite?: number;
}

const plan = parsePlan('10% 1m -> 100%');
const steps = typeof plan === 'string' ? [] : plan;
const judge = judgeSchema.parse({});

function armOf(rng: Rng, { errors = 0.01, slowness = 1, classes = [0.7, 0.3], nonFinite = 0 }: Arm, requests: number) {
  const latency = new Histogram();
  const outputs = new Map<string, number>();
  let failed = 0;
  for (let i = 0; i < requests; i++) {
    if (rng.bernoulli(errors)) failed++;
    latency.record(20_000 * slowness * Math.exp(0.5 * rng.normal()));
    const key = rng.next() < classes[0]! ? 'yes' : 'no';
    outputs.set(key, (outputs.get(key) ?? 0) + 1);
  }
  const nonFiniteRows = Math.round(nonFinite * requests);
  return { requests, errors: failed, rows: requests, nonFiniteRows, latency: latency.toSparse(), outputs };
}

function evidenceOf(
  challenger: Arm,
  options: { champion?: Arm; blocks?: number; judge?: JudgeConfig; seed?: number } = {},
): StepEvidence {
  const rng = createRng(options.seed ?? 1);
  const settings = settingsOf(options.judge ?? judge);
  let evidence = noEvidence(settings);
  for (let i = 0; i < (options.blocks ?? 60); i++) {
    const block: EvidenceBlock = {
      champion: armOf(rng, options.champion ?? {}, 180),
      challenger: armOf(rng, challenger, 60),
      copies: { compared: 0, disagreed: 0, dropped: 0 },
    };
    evidence = addBlock(evidence, block, settings);
  }
  return evidence;
}

const calm = { champion: { requests: 100, errors: 0 }, challenger: { requests: 100, errors: 0 } };

function decide(evidence: StepEvidence, changes: Partial<Parameters<typeof judgeStep>[0]> = {}) {
  return judgeStep({ judge, steps, step: steps[0]!, elapsedMs: 90_000, nowMs: 1, evidence, recent: calm, ...changes });
}

test('an equal version passes every gate, but not before the step is over', () => {
  const evidence = evidenceOf({});
  expect(decide(evidence)).toMatchObject({ kind: 'advance' });
  expect(decide(evidence, { elapsedMs: 59_000 })).toMatchObject({ kind: 'hold' });
});

test.each([
  ['failing', { errors: 0.06 }, 'errors'],
  ['slow', { slowness: 1.8 }, 'latency-p95'],
  ['differently predicting', { classes: [0.2, 0.8] }, 'outputs'],
] as const)('a %s version is rolled back, and the check says so', (_, challenger, check) => {
  const decision = decide(evidenceOf(challenger));
  expect(decision.kind).toBe('rollback');
  const failed = decision.checks.filter(one => one.outcome === 'fail').map(one => one.check);
  expect(failed).toContain(check);
  expect(decision.sentence).toContain(decision.checks.find(one => one.check === failed[0])!.sentence);
});

test('no data never passes: it holds, and in the end pauses', () => {
  const nothing = noEvidence(settingsOf(judge));
  expect(decide(nothing)).toMatchObject({ kind: 'hold' });
  expect(decide(nothing, { elapsedMs: 1e9 })).toMatchObject({ kind: 'pause' });
  const few = evidenceOf({}, { blocks: 1 });
  expect(decide(few, { elapsedMs: 1e9 }).checks.every(check => check.outcome !== 'pass')).toBe(true);
});

test.each(['pause', 'rollback', 'promote'] as const)(
  'without a verdict in time, onNoVerdict %s decides',
  onNoVerdict => {
    const own = judgeSchema.parse({ onNoVerdict });
    const decision = decide(noEvidence(settingsOf(own)), { judge: own, elapsedMs: 1e9 });
    expect(decision.kind).toBe(onNoVerdict === 'promote' ? 'advance' : onNoVerdict);
  },
);

test('with everything off, enough requests are still needed', () => {
  const off = { mode: 'off' as const };
  const own = judgeSchema.parse({ errors: off, latency: off, outputs: off, agreement: off, performance: off });
  expect(decide(noEvidence(settingsOf(own)), { judge: own }).kind).toBe('hold');
  expect(decide(evidenceOf({}, { judge: own }), { judge: own }).kind).toBe('advance');
});

test('mass failure and NaN outputs roll back at once, before the step is over', () => {
  const broken = evidenceOf({ errors: 0.9 }, { blocks: 1 });
  expect(decide(broken, { elapsedMs: 1 })).toMatchObject({
    kind: 'rollback',
    sentence: expect.stringContaining('at once'),
  });
  const absent = evidenceOf({ nonFinite: 0.5 }, { blocks: 1 });
  expect(decide(absent, { elapsedMs: 1 }).kind).toBe('rollback');
});

test('what fails for both versions alike rolls nobody back: a sick champion freezes the rollout', () => {
  const evidence = evidenceOf({ errors: 0.6 }, { champion: { errors: 0.6 } });
  const recent = { champion: { requests: 500, errors: 300 }, challenger: { requests: 100, errors: 60 } };
  expect(decide(evidence, { recent }).kind).toBe('freeze');
});

test('a person who wants to decide is asked instead', () => {
  const own = judgeSchema.parse({ decide: 'manual', onFail: 'pause' });
  expect(decide(evidenceOf({}), { judge: own }).kind).toBe('await');
  expect(decide(evidenceOf({ errors: 0.08 }), { judge: own }).kind).toBe('pause');
});

test('a small excess within the margin is never a failure, however sure it is', () => {
  const own = judgeSchema.parse({ errors: { margin: 0.05 } });
  const evidence = evidenceOf({ errors: 0.035 }, { blocks: 400, judge: own });
  const [errors] = decide(evidence, { judge: own }).checks;
  expect(errors).toMatchObject({ check: 'errors', outcome: 'pass' });
});

test('ground truth: errors of a version are seen beside a champion that makes none', () => {
  const perfect = { predictions: 800, loss: { count: 800, mean: 0, m2: 0 } };
  const wrong = { predictions: 800, loss: { count: 800, mean: 500, m2: 800 * 300 ** 2 } };
  const paired = { count: 0, mean: 0, m2: 0 };
  const truth = { loss: 'absolute' as const, champion: perfect, challenger: wrong, paired };
  const { checks } = decide(addLabels(evidenceOf({}), truth, settingsOf(judge)));
  expect(checks.at(-1)).toMatchObject({ check: 'performance', outcome: 'fail', effect: 500 });
});

test('ground truth: paired losses decide, unlike coverage does not', () => {
  const settings = settingsOf(judge);
  const arm = (mean: number, predictions = 1000) => ({
    predictions,
    loss: { count: 800, mean, m2: 800 * mean * (1 - mean) },
  });
  const none = { count: 0, mean: 0, m2: 0 };
  const paired = { count: 800, mean: 0.1, m2: 800 * 0.15 };
  const worse = addLabels(
    evidenceOf({}),
    { loss: 'error', champion: arm(0.2), challenger: arm(0.3), paired },
    settings,
  );
  const decision = decide(worse);
  expect(decision.kind).toBe('rollback');
  expect(decision.checks.at(-1)).toMatchObject({ check: 'performance', outcome: 'fail', effect: 0.1 });
  const uneven = addLabels(
    evidenceOf({}),
    { loss: 'error', champion: arm(0.2, 1000), challenger: arm(0.3, 4000), paired: none },
    settings,
  );
  expect(decide(uneven).checks.at(-1)).toMatchObject({
    outcome: 'undecided',
    sentence: expect.stringContaining('not comparable'),
  });
});

test('the judge is pure and evidence survives a journey through JSON', () => {
  const evidence = evidenceOf({ errors: 0.03 });
  const stored: StepEvidence = JSON.parse(JSON.stringify(evidence));
  expect(decide(stored)).toEqual(decide(evidence));
});

/** Ground truth of one upload: each arm wrong with its own chance. */
function uploadOf(rng: Rng, rows: number, champion: number, challenger: number) {
  const arm = (chance: number) => {
    let wrong = 0;
    for (let i = 0; i < rows; i++) if (rng.bernoulli(chance)) wrong++;
    const mean = wrong / rows;
    return { predictions: rows, loss: { count: rows, mean, m2: rows * mean * (1 - mean) } };
  };
  const paired = { count: 0, mean: 0, m2: 0 };
  return { loss: 'error' as const, champion: arm(champion), challenger: arm(challenger), paired };
}

test('ground truth of a single upload decides', () => {
  const upload = uploadOf(createRng(5), 3000, 0.1, 0.25);
  const { checks } = decide(addLabels(evidenceOf({}), upload, settingsOf(judge)));
  expect(checks.at(-1)).toMatchObject({ check: 'performance', outcome: 'fail' });
});

test('single uploads of a version worse by the margin pass, and of an equal one fail, at most as often as declared', () => {
  const settings = settingsOf(judge);
  const outcomes = (worseBy: number) =>
    Array.from({ length: 200 }, (_, seed) => {
      const upload = uploadOf(createRng(seed + 1), 1000, 0.1, 0.1 + worseBy);
      return decide(addLabels(evidenceOf({}), upload, settings)).checks.at(-1)?.outcome;
    });
  const share = (list: readonly (string | undefined)[], outcome: string) =>
    list.filter(one => one === outcome).length / list.length;
  expect(share(outcomes(0), 'fail')).toBeLessThanOrEqual(0.05);
  expect(share(outcomes(settings.performanceMargin), 'pass')).toBeLessThanOrEqual(0.05);
});
