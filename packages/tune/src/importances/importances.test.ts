import { expect, test } from 'vitest';
import { random } from '../samplers/random.ts';
import { categorical, choice, defineSpace, float, type SpaceSpec } from '../space/params.ts';
import type { FlatParams } from '../space/space.ts';
import { createStudy } from '../study/create-study.ts';
import type { Study } from '../study/study.ts';
import { fanova } from './fanova.ts';
import type { Importance } from './importance.ts';
import { pedAnova } from './ped-anova.ts';
import { permutationImportance } from './permutation.ts';

function evaluated(
  space: SpaceSpec,
  trials: number,
  f: (flat: FlatParams) => number,
  direction: 'minimize' | 'maximize' = 'minimize',
): Study {
  const study = createStudy({ space, sampler: random(), seed: 7, objectives: direction });
  for (let i = 0; i < trials; i++) {
    const ask = study.ask();
    if (ask.kind === 'trial') study.tell(ask.trial.number, f(ask.trial.flat));
  }
  return study;
}

const n = (flat: FlatParams, name: string): number => Number(flat[name]);
const byName = (list: readonly Importance[]): Readonly<Record<string, number>> =>
  Object.fromEntries(list.map(i => [i.parameter, i.share]));

const linear = evaluated(
  defineSpace({ a: float(0, 1), b: float(0, 1), unused: float(0, 1) }),
  300,
  p => n(p, 'a') + 2 * n(p, 'b'),
);

test('fanova: a + 2 b has the variance shares 1/5 and 4/5', () => {
  const shares = byName(fanova(linear));
  expect(shares.a).toBeCloseTo(0.2, 1);
  expect(shares.b).toBeCloseTo(0.8, 1);
  expect(shares.unused).toBeLessThan(0.01);
});

test('fanova: first-order Sobol indices of the Ishigami function, within 0.1', () => {
  // a = 7, b = 0.1: S1 = 0.3139, S2 = 0.4424, S3 = 0 and an interaction of 0.2437 (Sobol & Levitan 1999).
  const range = float(-Math.PI, Math.PI);
  const study = evaluated(defineSpace({ x: range, y: range, z: range }), 600, p => {
    const s = Math.sin(n(p, 'x'));
    return s + 7 * Math.sin(n(p, 'y')) ** 2 + 0.1 * n(p, 'z') ** 4 * s;
  });
  const explained = Object.fromEntries(fanova(study, { trees: 16 }).map(i => [i.parameter, i.explained]));
  expect(Math.abs(explained.x! - 0.3139)).toBeLessThan(0.1);
  expect(Math.abs(explained.y! - 0.4424)).toBeLessThan(0.1);
  expect(explained.z).toBeLessThan(0.03);
});

/** Variance: the choice 1/4, x inside "b" 1/12 over half of the configurations, so 6/7 and 1/7. */
const conditional = evaluated(
  defineSpace({ model: choice({ a: { y: float(0, 1) }, b: { x: float(0, 1) } }) }),
  400,
  p => (p.model === 'a' ? 1 : n(p, 'model.b.x') - 0.5),
);

test('fanova: a conditional parameter counts with the share of configurations that have it', () => {
  const shares = byName(fanova(conditional));
  expect(shares.model).toBeCloseTo(6 / 7, 1);
  expect(shares['model.b.x']).toBeCloseTo(1 / 7, 1);
  expect(shares['model.a.y']).toBeLessThan(0.01);
});

test('fanova: a direction to maximise changes nothing', () => {
  const space = defineSpace({ a: float(0, 1), b: float(0, 1) });
  const up = evaluated(space, 60, p => n(p, 'a'), 'maximize');
  const down = evaluated(space, 60, p => -n(p, 'a'));
  expect(fanova(up)).toEqual(fanova(down));
});

test('ped-anova: the divergence of the good trials from all of a category, exactly', () => {
  // Every good trial is "a", which a third of all trials are: p = (1/3) 2^2 + (2/3) 1 = 2, against 0 for the constant one.
  const space = defineSpace({ c: categorical(['a', 'b', 'd']), x: categorical([1]) });
  const study = createStudy({ space, sampler: random(), repeats: 'allow' });
  for (let i = 0; i < 30; i++) {
    study.enqueue({ c: (['a', 'b', 'd'] as const)[i % 3]!, x: 1 });
    const ask = study.ask();
    if (ask.kind === 'trial') study.tell(ask.trial.number, i % 3 === 0 ? i : 100 + i);
  }
  expect(pedAnova(study)).toEqual([
    { parameter: 'c', share: 1 },
    { parameter: 'x', share: 0 },
  ]);
});

test('ped-anova: what it takes to be among the best, in the order of its importance', () => {
  expect(pedAnova(linear).map(i => i.parameter)).toEqual(['b', 'a', 'unused']);
});

test('ped-anova: parameters of a branch that no good trial took do not matter', () => {
  const shares = byName(pedAnova(conditional));
  expect(shares['model.a.y']).toBe(0);
  expect(shares['model.b.x']).toBeGreaterThan(0);
});

test('permutation: the error grows with the variance a parameter brings', () => {
  const shares = byName(permutationImportance(linear));
  expect(shares.b).toBeCloseTo(0.8, 1);
  expect(Math.abs(shares.unused!)).toBeLessThan(0.01);
});

test('permutation: a conditional parameter is exchanged among the trials that have it', () => {
  const shares = byName(permutationImportance(conditional));
  expect(shares.model).toBeGreaterThan(shares['model.b.x']!);
  expect(shares['model.b.x']).toBeGreaterThan(0.02);
  expect(shares['model.a.y']).toBeLessThan(0.01);
});

test('too few trials, or trials that are all alike, are refused with a sentence', () => {
  const space = defineSpace({ a: float(0, 1) });
  expect(() => fanova(evaluated(space, 3, p => n(p, 'a')))).toThrow(/At least 4 finished trials/);
  expect(() => pedAnova(evaluated(space, 20, () => 1))).toThrow(/different values/);
});
