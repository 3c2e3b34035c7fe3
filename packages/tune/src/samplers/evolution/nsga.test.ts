import { createRng } from '@holdfast/stats';
import { expect, test } from 'vitest';
import { hypervolume } from '../../maths/hypervolume.ts';
import { divisionsFor, referenceDirections } from '../../maths/reference-directions.ts';
import { noPruner } from '../../pruners/pruner.ts';
import { categorical, choice, float, int } from '../../space/params.ts';
import { Space } from '../../space/space.ts';
import { createStudy, restoreStudy } from '../../study/create-study.ts';
import type { Study } from '../../study/study.ts';
import { random } from '../random.ts';
import type { Observation, Sampler } from '../sampler.ts';
import { constrainedFronts } from './fronts.ts';
import { fillNiches, nearestDirection, normalizeLosses } from './niching.ts';
import { nsga2 } from './nsga2.ts';
import { nsga3, survivorsByNiche } from './nsga3.ts';
import { childOf } from './variation.ts';

function seen(number: number, losses: readonly number[], more: Partial<Observation> = {}): Observation {
  return {
    number,
    kind: 'complete',
    point: new Float64Array(1),
    losses,
    violation: 0,
    constraints: [],
    last: undefined,
    reports: [],
    ...more,
  };
}

test.each([
  // C(M + p - 1, p): Deb & Jain 2014, table I: 91 points for 3 objectives and 12 divisions, 210 for 5 and 6.
  [3, 12, 91],
  [5, 6, 210],
  [2, 4, 5],
])('%i objectives in %i divisions have %i reference directions, all of sum 1', (objectives, divisions, count) => {
  const directions = referenceDirections(objectives, divisions);
  expect(new Set(directions.map(w => w.join())).size).toBe(count);
  expect(Math.max(...directions.map(w => Math.abs(w.reduce((a, b) => a + b, 0) - 1)))).toBeLessThan(1e-12);
  expect(divisionsFor(objectives, count)).toBe(divisions);
  expect(divisionsFor(objectives, count - 1)).toBe(divisions - 1);
});

test('constrained domination puts feasible before pruned, infeasible by violation, failed last', () => {
  const last = { step: 3, losses: [1, 1] };
  const trials = [
    seen(0, [], { kind: 'failed' }),
    seen(1, [0, 0], { violation: 2 }),
    seen(2, [0, 0], { violation: 1 }),
    seen(3, [], { kind: 'pruned', last }),
    seen(4, [5, 5]),
    seen(5, [4, 6]),
    seen(6, [6, 6]),
  ];
  expect(constrainedFronts(trials).map(front => front.map(o => o.number))).toEqual([[4, 5], [6], [3], [2], [1], [0]]);
});

test('normalised losses put the ideal point at 0 and the extremes of the front at 1', () => {
  // The plane through (2, 0, 0), (0, 4, 0), (0, 0, 8) after moving the ideal point (1, 1, 1) to 0.
  const rows = normalizeLosses([
    [3, 1, 1],
    [1, 5, 1],
    [1, 1, 9],
    [2, 3, 5],
  ]);
  expect(rows[3]).toEqual([0.5, 0.5, 0.5]);
  expect(rows.slice(0, 3)).toEqual([
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ]);
});

test('a row belongs to the reference line at the smallest perpendicular distance', () => {
  const place = nearestDirection([1, 0.2], referenceDirections(2, 2));
  // Lines (0, 1), (1/2, 1/2), (1, 0): distances 1, 0.8 / sqrt 2 and 0.2.
  expect(place.direction).toBe(2);
  expect(place.distance).toBeCloseTo(0.2, 12);
});

test('an empty niche gets its nearest row before any niche gets a second one', () => {
  const kept = [{ direction: 0, distance: 0.1 }];
  const last = [
    { direction: 0, distance: 0 },
    { direction: 1, distance: 0.5 },
    { direction: 1, distance: 0.3 },
    { direction: 2, distance: 0.9 },
  ];
  expect([...fillNiches(kept, last, 2, createRng(1))].sort()).toEqual([2, 3]);
});

test('survivors of a crowded front cover every reference line', () => {
  const crowd = Array.from({ length: 40 }, (_, i) => seen(i, [0.5 + i / 1000, 0.5 - i / 1000]));
  const ends = [seen(40, [0, 1]), seen(41, [1, 0])];
  const numbers = survivorsByNiche([...crowd, ...ends], 3, 2).map(o => o.number);
  expect(numbers).toHaveLength(3);
  expect(numbers).toEqual(expect.arrayContaining([40, 41]));
});

test('children stay inside the space and mix their parents', () => {
  const space = new Space({ a: float(0, 1), b: float(0, 1), c: categorical(['x', 'y', 'z']) });
  const rng = createRng(3);
  const parents = [Float64Array.of(0.2, 0.8, 0), Float64Array.of(0.6, 0.4, 2)] as const;
  const mixed = Array.from({ length: 200 }, () => childOf(space, parents, rng, { mutationProbability: 0 }));
  expect(mixed.every(p => p.every((x, d) => (d === 2 ? x === 0 || x === 2 : x >= 0 && x <= 1)))).toBe(true);
  const mean = mixed.reduce((s, p) => s + p[0]!, 0) / mixed.length;
  // Simulated binary crossover keeps the mean of its parents.
  expect(mean).toBeCloseTo(0.4, 1);
  const uniform = Array.from({ length: 50 }, () => childOf(space, parents, rng, { crossover: 'uniform' })[1]!);
  expect(uniform.filter(x => x === 0.8 || x === 0.4).length).toBeGreaterThan(20);
});

/** ZDT1 with three variables, negated in the second objective's direction where asked. Zitzler, Deb & Thiele 2000. */
function zdt1(x: readonly number[]): readonly [number, number] {
  const g = 1 + (9 * (x[1]! + x[2]!)) / 2;
  return [x[0]!, g * (1 - Math.sqrt(x[0]! / g))];
}

const zdtSpace = { a: float(0, 1), b: float(0, 1), c: float(0, 1) };

function volumeAfter(sampler: Sampler, trials: number): number {
  const study = createStudy({
    space: zdtSpace,
    objectives: [
      { name: 'f1', direction: 'minimize' },
      { name: 'f2', direction: 'maximize' },
    ],
    sampler,
    pruner: noPruner(),
    seed: 5,
  });
  for (let i = 0; i < trials; i++) {
    const ask = study.ask();
    if (ask.kind !== 'trial') break;
    const { a, b, c } = ask.trial.params;
    const [f1, f2] = zdt1([a, b, c]);
    study.tell(ask.trial.number, [f1, -f2]);
  }
  return hypervolume(
    study.front().map(t => [t.values![0]!, -t.values![1]!]),
    [1.1, 1.1],
  );
}

test.each([
  ['NSGA-II', () => nsga2({ populationSize: 20 })],
  ['NSGA-III', () => nsga3({ populationSize: 20 })],
])('%s comes much closer to the front of ZDT1 than random search', (_, make) => {
  // The whole front encloses 1.1^2 - 1 / 3 = 0.877.
  const reached = volumeAfter(make(), 300);
  expect(reached).toBeGreaterThan(0.8);
  expect(volumeAfter(random(), 300)).toBeLessThan(0.6);
});

test.each([
  ['NSGA-II', () => nsga2({ populationSize: 6 })],
  ['NSGA-III', () => nsga3({ populationSize: 6 })],
])(
  'a restored %s study goes on as if it had not stopped, conditional parameters and late trials included',
  (_, make) => {
    const space = { n: int(1, 5), c: choice({ p: { x: float(0, 1) }, q: { y: float(0, 1), z: float(0, 1) } }) };
    const settings = {
      space,
      objectives: [
        { name: 'a', direction: 'minimize' as const },
        { name: 'b', direction: 'minimize' as const },
      ],
      seed: 2,
    };
    const step = (study: Study<typeof space>, waits: number[]): string => {
      const ask = study.ask();
      if (ask.kind !== 'trial') throw new Error(ask.kind);
      waits.push(ask.trial.number);
      if (waits.length > 3) {
        const done = waits.shift()!;
        const { params } = study.trials[done]!;
        const x = Number(params['c.p.x'] ?? params['c.q.y']);
        study.tell(done, [x, Number(params.n) - x]);
      }
      return JSON.stringify(ask.trial.flat);
    };
    const straight = createStudy({ ...settings, sampler: make() });
    const straightWaits: number[] = [];
    const expected = Array.from({ length: 40 }, () => step(straight, straightWaits));
    const first = createStudy({ ...settings, sampler: make() });
    const waits: number[] = [];
    const got = Array.from({ length: 17 }, () => step(first, waits));
    const second = restoreStudy(JSON.parse(JSON.stringify(first.snapshot())), { ...settings, sampler: make() });
    for (let i = 17; i < 40; i++) got.push(step(second, waits));
    expect(got).toEqual(expected);
  },
);

test('constraints are met first', () => {
  const study = createStudy({ space: { x: float(0, 1) }, sampler: nsga2({ populationSize: 8 }), seed: 1 });
  for (let i = 0; i < 80; i++) {
    const ask = study.ask();
    if (ask.kind !== 'trial') break;
    const { x } = ask.trial.params;
    study.tell(ask.trial.number, { kind: 'complete', values: [x], constraints: [0.6 - x] });
  }
  expect(study.best()?.values?.[0]).toBeGreaterThanOrEqual(0.6);
  expect(study.best()?.values?.[0]).toBeLessThan(0.62);
});
