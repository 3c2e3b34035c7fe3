import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { InferenceClient, tensor } from '@holdfast/api/inference';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { HoldfastProcess, temporaryFolder } from './holdfast-process.ts';

const examples = join(import.meta.dirname, '../../examples');
const run = promisify(execFile);
const flightSchema = z.array(z.record(z.string(), z.union([z.number(), z.string()])));
const flights = flightSchema
  .parse(JSON.parse(readFileSync(join(examples, 'flight-delay/reference.json'), 'utf8')))
  .slice(0, 20);
const names = Object.keys(flights[0] ?? {}).filter(name => name !== 'probability');

let folder: ReturnType<typeof temporaryFolder>;
let holdfast: HoldfastProcess;

beforeAll(async () => {
  folder = temporaryFolder();
  const model = join(examples, 'flight-delay/model.onnx');
  holdfast = await HoldfastProcess.up([model, '--data', join(folder.path, 'data')]);
});
afterAll(async () => {
  await holdfast[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

test('the example of the client scores flights as published', async () => {
  const script = join(examples, 'client/score.ts');
  const { stdout } = await run(process.execPath, ['--conditions=source', script, holdfast.ready.inferenceUrl]);
  expect(stdout).toBe('40 flights scored; the largest difference from the published probabilities is 0.000000\n');
});

test('the example says why it failed when there is no such model', async () => {
  const script = join(examples, 'client/score.ts');
  const failed = run(process.execPath, ['--conditions=source', script, holdfast.ready.inferenceUrl, 'nope']);
  await expect(failed).rejects.toMatchObject({
    code: 1,
    stderr: "not_found: Request for unknown model: 'nope' is not found\n",
  });
});

const mlflowSchema = z.object({ predictions: z.array(z.object({ probabilities: z.array(z.number()) })) });

test('MLflow forms at the root have the bits that the client gets as bytes', async () => {
  const client = new InferenceClient(holdfast.ready.inferenceUrl, { encoding: 'binary' });
  const shape = [flights.length, 1];
  const inputs = Object.fromEntries(
    names.map(name => [
      name,
      name === 'origin' || name === 'destination'
        ? tensor(
            'BYTES',
            shape,
            flights.map(flight => String(flight[name])),
          )
        : tensor(
            'FP32',
            shape,
            Float32Array.from(flights, flight => Number(flight[name])),
          ),
    ]),
  );
  const { outputs } = await client.model('model').infer(inputs);
  const columns = names.toReversed();
  const rows = flights.map(flight => columns.map(name => flight[name]));
  const bodies: readonly (readonly [contentType: string, body: string])[] = [
    ['application/json', JSON.stringify({ dataframe_split: { columns, data: rows } })],
    ['application/json', JSON.stringify({ dataframe_records: flights })],
    ['text/csv', [columns, ...rows].map(cells => cells.join(',')).join('\n')],
  ];
  for (const [contentType, body] of bodies) {
    const headers = { 'content-type': contentType };
    const reply = await fetch(`${holdfast.ready.inferenceUrl}/invocations`, { method: 'POST', headers, body });
    const { predictions } = mlflowSchema.parse(await reply.json());
    expect(Float32Array.from(predictions.flatMap(({ probabilities }) => probabilities))).toEqual(
      outputs.probabilities?.data,
    );
  }
});
