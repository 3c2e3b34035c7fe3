import { createRng } from '@holdfast/stats';
import { expect, test } from 'vitest';
import { categorical, choice, defineSpace, int, ordered } from '../space/params.ts';
import { Space } from '../space/space.ts';
import { createStudy, restoreStudy } from '../study/create-study.ts';
import type { Study } from '../study/study.ts';
import { agingEvolution, mutated } from './aging.ts';
import { random } from './random.ts';
import type { Sampler } from './sampler.ts';

const space = defineSpace({
  depth: int(1, 6),
  width: ordered([8, 16, 32, 64, 128]),
  act: categorical(['relu', 'tanh', 'gelu']),
  norm: choice({ none: {}, batch: { momentum: ordered([0.9, 0.99, 0.999]) } }),
});

function run(study: Study<typeof space>, trials: number): Study<typeof space> {
  for (let i = 0; i < trials; i++) {
    const ask = study.ask();
    if (ask.kind !== 'trial') break;
    const { depth, width, act, norm } = ask.trial.params;
    const penalty = norm.choice === 'batch' ? Math.abs(norm.momentum - 0.99) : 0.5;
    study.tell(
      ask.trial.number,
      Math.abs(depth - 4) + Math.abs(Math.log2(width) - 6) + (act === 'gelu' ? 0 : 1) + penalty,
    );
  }
  return study;
}

test('it comes closer to the optimum of a discrete space than random search', () => {
  const total = (sampler: () => Sampler): number =>
    [1, 2, 3, 4, 5, 6].reduce(
      (s, seed) => s + run(createStudy({ space, sampler: sampler(), seed }), 60).best()!.values![0]!,
      0,
    );
  expect(total(() => agingEvolution())).toBeLessThan(0.7 * total(() => random()));
});

test('a child differs from its parent in one parameter, and in what that opens', () => {
  const parts = new Space(space);
  const rng = createRng(2);
  for (let i = 0; i < 200; i++) {
    const parent = parts.random(rng);
    const a = parts.toFlat(parent);
    const b = parts.toFlat(mutated(parts, parent, rng));
    const changed = ['depth', 'width', 'act', 'norm'].filter(name => a[name] !== b[name]);
    if (changed.length === 0) expect(a['norm.batch.momentum']).not.toBe(b['norm.batch.momentum']);
    else expect(changed).toHaveLength(1);
  }
});

test('the oldest leave: a value that was once the best does not stay a parent for ever', () => {
  const study = createStudy({ space, sampler: agingEvolution({ populationSize: 4, sampleSize: 4 }), seed: 1 });
  study.enqueue({ depth: 1, width: 8, act: 'relu', norm: { choice: 'none' } });
  const proposals: number[] = [];
  for (let i = 0; i < 12; i++) {
    const ask = study.ask();
    if (ask.kind !== 'trial') break;
    proposals.push(ask.trial.params.depth);
    study.tell(ask.trial.number, i === 0 ? -100 : 10 - ask.trial.params.depth);
  }
  expect(Math.max(...proposals.slice(6))).toBeGreaterThan(2);
});

test('a restored study goes on with the same suggestions', () => {
  const study = run(createStudy({ space, sampler: agingEvolution(), seed: 9 }), 20);
  const resumed = restoreStudy(study.snapshot(), { space, sampler: agingEvolution() });
  run(study, 10);
  run(resumed, 10);
  expect(resumed.trials.map(t => t.params)).toEqual(study.trials.map(t => t.params));
});
