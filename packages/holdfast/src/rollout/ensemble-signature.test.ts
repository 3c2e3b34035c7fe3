import { type Datatype, ensembleSchema, type TensorSpec } from '@holdfast/api';
import { expect, test } from 'vitest';
import { ensembleTensors } from './ensemble-signature.ts';

function tensor(name: string, shape: number[], datatype: Datatype = 'FP32'): TensorSpec {
  return { name, datatype, shape, optional: false };
}

const models: Readonly<Record<string, { inputs: TensorSpec[]; outputs: TensorSpec[] }>> = {
  scale: { inputs: [tensor('x', [-1, -1])], outputs: [tensor('y', [-1, -1])] },
  score: { inputs: [tensor('features', [-1, 3])], outputs: [tensor('score', [-1, 1])] },
  both: { inputs: [tensor('x', [-1, 3])], outputs: [tensor('y', [-1, 3]), tensor('n', [-1, 1])] },
  count: { inputs: [tensor('x', [-1, 3])], outputs: [tensor('n', [-1, 1], 'INT64')] },
};

function tensorsOf(definition: object) {
  return ensembleTensors(ensembleSchema.parse(definition), ({ model }) => models[model]!);
}

test('a sequence takes what its first model takes, as narrow as its last one needs it, and gives what nobody takes', () => {
  const steps = [
    { model: 'scale', inputs: { x: 'raw' }, outputs: { y: 'scaled' } },
    { model: 'score', inputs: { features: 'scaled' } },
  ];
  expect(tensorsOf({ steps })).toEqual({
    inputs: [tensor('raw', [-1, -1])],
    outputs: [tensor('score', [-1, 1])],
  });
});

test('two models that share an input narrow it', () => {
  const steps = [
    { model: 'scale', inputs: { x: 'raw' } },
    { model: 'score', inputs: { features: 'raw' } },
  ];
  const { inputs, outputs } = tensorsOf({ steps });
  expect(inputs).toEqual([tensor('raw', [-1, 3])]);
  expect(outputs.map(({ name }) => name)).toEqual(['y', 'score']);
});

const toMid = { model: 'scale', inputs: { x: 'a' }, outputs: { y: 'b' } };
test.each([
  [{ steps: [{ model: 'scale', inputs: { z: 'a' } }] }, 'step 1 (scale) has no input "z"; it has "x"'],
  [{ steps: [{ model: 'scale', outputs: { z: 'a' } }] }, 'step 1 (scale) has no output "z"; it has "y"'],
  [
    {
      steps: [
        { model: 'count', outputs: { n: 'b' } },
        { model: 'score', inputs: { features: 'b' } },
      ],
    },
    '"b" is INT64 [-1,1] for step 1 (count), but FP32 [-1,3] for step 2 (score)',
  ],
  [
    {
      steps: [
        { model: 'score', outputs: { score: 'b' } },
        { model: 'count', inputs: { x: 'b' } },
      ],
    },
    '"b" is FP32 [-1,1] for step 1 (score), but FP32 [-1,3] for step 2 (count)',
  ],
  [{ steps: [toMid, toMid] }, '"b" is given by step 1 (scale) and by step 2 (scale)'],
  [
    { steps: [toMid, { model: 'scale', inputs: { x: 'b' }, outputs: { y: 'a' } }] },
    'the steps wait for each other in a circle: step 1 (scale) -> step 2 (scale) -> step 1 (scale)',
  ],
  [
    {
      steps: [
        { ...toMid, when: { tensor: 'n', equals: 1 } },
        { model: 'both', inputs: { x: 'c' }, outputs: { y: 'b', n: 'n' } },
      ],
    },
    'the steps wait for each other in a circle: step 1 (scale) -> step 2 (both) -> step 1 (scale)',
  ],
  [{ inputs: ['q'], steps: [toMid] }, 'step 1 (scale) needs "a", which no step gives'],
  [{ inputs: ['a', 'q'], steps: [toMid] }, 'the input "q" is taken by no step'],
  [{ steps: [toMid], outputs: ['c'] }, 'the output "c" is given by no step; they give "b"'],
  [
    { steps: [{ ...toMid, when: { tensor: 'route', equals: 1 } }] },
    'step 1 (scale) has a condition on "route", which no step gives or takes',
  ],
  [{ steps: [{ model: 'score', when: { tensor: 'features', equals: 1 } }] }, 'it must have one element per row'],
])('%j is refused', (definition, message) => {
  expect(() => tensorsOf(definition)).toThrow(message);
});
