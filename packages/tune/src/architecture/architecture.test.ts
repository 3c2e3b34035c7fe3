import { createRng } from '@holdfast/stats';
import { expect, test } from 'vitest';
import { agingEvolution } from '../samplers/aging.ts';
import { float } from '../space/params.ts';
import { Space } from '../space/space.ts';
import { createStudy } from '../study/create-study.ts';
import { rankByShortBudget } from './low-fidelity.ts';
import { deepen, type LayerWeights, transferWeights, widen } from './morphism.ts';
import { type Activation, costOf, type DenseLayer, type Network, widthOf } from './network.ts';
import { networkSpace } from './network-space.ts';

const features = { kind: 'features', size: 64 } as const;
const dense = (units: number, activation: Activation = 'relu', skip = false): DenseLayer => ({
  kind: 'dense',
  units,
  activation,
  norm: 'none',
  skip,
});

test('size and operations of a dense network', () => {
  // 64-6-10: the first row of the table nas_mlp_digits counts 460 parameters and 444 operations.
  expect(costOf({ input: features, layers: [dense(6)], outputs: 10 })).toEqual({ parameters: 460, macs: 444 });
});

test('size and operations of a convolution: 3 x 3 x 1 x 8 on 28 x 28, halved, then the output', () => {
  const layer = {
    kind: 'conv',
    channels: 8,
    kernel: 3,
    stride: 2,
    activation: 'relu',
    norm: 'batch',
    skip: false,
  } as const;
  const input = { kind: 'image', height: 28, width: 28, channels: 1 } as const;
  expect(costOf({ input, layers: [layer], outputs: 10 })).toEqual({
    parameters: 8 * 9 + 8 + 16 + 90,
    macs: 8 * 9 * 14 * 14 + 80,
  });
});

const networks = networkSpace({
  input: { kind: 'image', height: 8, width: 8, channels: 1 },
  outputs: 10,
  conv: { depth: [0, 2], widths: [4, 8], kernels: [3, 5] },
  dense: { depth: [1, 3], widths: [16, 32], activations: ['relu', 'tanh'], norms: ['none', 'batch'], skip: true },
});

test('every point of a network space is a network of its depth, and skips join equal widths only', () => {
  const space = new Space(networks.space);
  const rng = createRng(1);
  for (let i = 0; i < 200; i++) {
    const flat = space.toFlat(space.random(rng));
    const { layers } = networks.networkOf(space.nest(flat));
    expect(layers).toHaveLength(Number(flat['conv.depth']) + Number(flat['dense.depth']));
    for (const [at, layer] of layers.entries()) if (layer.skip) expect(widthOf(layers[at - 1]!)).toBe(widthOf(layer));
  }
});

test('a network space stands beside training parameters in a study', () => {
  const study = createStudy({
    space: { ...networks.space, rate: float(1e-4, 1e-1, { log: true }) },
    sampler: agingEvolution(),
    seed: 2,
  });
  const flat = [];
  for (let i = 0; i < 30; i++) {
    const ask = study.ask();
    if (ask.kind !== 'trial') break;
    const { parameters } = costOf(networks.networkOf(ask.trial.params as never));
    study.tell(ask.trial.number, parameters);
    flat.push(parameters);
  }
  expect(study.best()!.values![0]).toBe(Math.min(...flat));
});

function randomWeights(network: Network, seed: number): LayerWeights[] {
  const rng = createRng(seed);
  const sizes = [64, ...network.layers.map(widthOf), network.outputs];
  return sizes.slice(1).map((outputs, i) => ({
    outputs,
    inputs: sizes[i]!,
    taps: 1,
    weight: Float64Array.from({ length: outputs * sizes[i]! }, () => rng.normal() / 8),
    bias: Float64Array.from({ length: outputs }, () => rng.normal()),
  }));
}

const activate: Readonly<Partial<Record<Activation, (x: number) => number>>> = {
  none: x => x,
  relu: x => Math.max(0, x),
  tanh: Math.tanh,
};

function forward({ layers }: Network, weights: readonly LayerWeights[], input: readonly number[]): number[] {
  let values = [...input];
  weights.forEach(({ outputs, inputs, weight, bias }, at) => {
    const layer = layers[at];
    const f = activate[layer?.activation ?? 'none']!;
    const out = Array.from({ length: outputs }, (_, o) => {
      let sum = bias[o]!;
      for (let i = 0; i < inputs; i++) sum += weight[o * inputs + i]! * values[i]!;
      return f(sum);
    });
    values = layer?.skip ? out.map((v, i) => v + values[i]!) : out;
  });
  return values;
}

const before: Network = { input: features, layers: [dense(12), dense(7, 'tanh')], outputs: 3 };
const input = Array.from({ length: 64 }, (_, i) => Math.sin(i));

test.each([
  ['deepen by identity after relu', () => deepen(before, 0)],
  ['deepen by a skip after tanh', () => deepen(before, 1, { skip: true })],
  ['widen the first layer', () => widen(before, 0, 31, createRng(4))],
  ['widen the last hidden layer', () => widen(before, 1, 8, createRng(5))],
])('%s keeps the function', (_, change) => {
  const weights = randomWeights(before, 8);
  const morphism = change();
  const after = forward(morphism.network, transferWeights(morphism, weights), input);
  expect(costOf(morphism.network).parameters).toBeGreaterThan(costOf(before).parameters);
  for (const [i, value] of forward(before, weights, input).entries()) expect(after[i]).toBeCloseTo(value, 10);
});

test('a convolution is deepened by a kernel with 1 in its middle', () => {
  const conv = {
    kind: 'conv',
    channels: 2,
    kernel: 3,
    stride: 2,
    activation: 'relu',
    norm: 'batch',
    skip: false,
  } as const;
  const picture = { kind: 'image', height: 8, width: 8, channels: 1 } as const;
  const morphism = deepen({ input: picture, layers: [conv], outputs: 1 }, 0);
  expect(morphism.network.layers[1]).toEqual({ ...conv, stride: 1, norm: 'none' });
  const old = (outputs: number, inputs: number, taps: number): LayerWeights => ({
    outputs,
    inputs,
    taps,
    weight: new Float64Array(outputs * inputs * taps),
    bias: new Float64Array(outputs),
  });
  const added = transferWeights(morphism, [old(2, 1, 9), old(1, 2, 1)])[1]!;
  expect([...added.weight].flatMap((w, i) => (w === 1 ? [i] : []))).toEqual([4, 31]);
});

test('changes that would not keep the function are refused', () => {
  expect(() => deepen(before, 1)).toThrow(/needs skip/);
  expect(() => widen(before, 0, 12, createRng(1))).toThrow(/above 12/);
  expect(() => widen({ ...before, layers: [dense(7), dense(7, 'relu', true)] }, 0, 9, createRng(1))).toThrow(/skip/);
  expect(() => deepen(before, 5)).toThrow(/index of one of 2/);
});

function studyWith(lossAt: (quality: number, step: number) => number) {
  const study = createStudy({ space: { q: float(0, 1) }, seed: 1 });
  for (let i = 0; i < 14; i++) {
    const ask = study.ask();
    if (ask.kind !== 'trial') continue;
    const { number, params } = ask.trial;
    study.report(number, 1, lossAt(params.q, 1));
    if (i >= 10) study.tell(number, { kind: 'paused' });
    else {
      study.report(number, 9, lossAt(params.q, 9));
      study.tell(number, lossAt(params.q, 9));
    }
  }
  return study;
}

test('candidates are ranked by a short training that ranks finished ones well', () => {
  const study = studyWith((q, step) => q + 1 / step);
  const ranking = rankByShortBudget(study, { step: 1 });
  const q = (number: number): number => Number(study.trials[number]!.params.q);
  expect(ranking).toMatchObject({ kind: 'ranked', correlation: 1 });
  if (ranking.kind === 'ranked') expect(ranking.order).toEqual([...ranking.order].sort((a, b) => q(a) - q(b)));
});

test('a short training that misleads ranks nothing', () => {
  const ranking = rankByShortBudget(
    studyWith((q, step) => (step === 1 ? -q : q)),
    { step: 1 },
  );
  expect(ranking).toEqual({ kind: 'undecided', because: 'misleading-step', correlation: -1 });
});
