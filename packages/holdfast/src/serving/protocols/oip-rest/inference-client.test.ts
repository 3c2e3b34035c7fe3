import { type Datatype, datatypes, elementCount, type Signature, type Tensor, typedArrayOf } from '@holdfast/api';
import { InferenceClient, type TypedTensor, tensor } from '@holdfast/api/inference';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { addition, addModel, echoModel, FakeGateway } from '../../fake-gateway.ts';
import { writeBinary } from './binary-tensors.ts';
import { readInferRequest } from './infer-request.ts';

// The client of `@holdfast/api` against this server's codec, and over a real connection against its gateway.

const text = fc.string({ unit: 'grapheme' }).map(value => value.toWellFormed().replaceAll('\0', ''));

/** Bits of any kind as the elements of a datatype, which covers NaN, infinities and the ends of every range. */
function dataOf(datatype: Datatype, count: number): fc.Arbitrary<Tensor['data']> {
  if (datatype === 'BYTES') return fc.array(text, { minLength: count, maxLength: count });
  const array = typedArrayOf[datatype];
  const bytes = count * array.BYTES_PER_ELEMENT;
  const maximum = datatype === 'BOOL' ? 1 : 255;
  return fc
    .array(fc.nat(maximum), { minLength: bytes, maxLength: bytes })
    .map(values => new array(Uint8Array.from(values).buffer));
}

const anyTensor: fc.Arbitrary<Tensor> = fc
  .record({
    name: fc.string({ minLength: 1, maxLength: 8 }),
    datatype: fc.constantFrom(...datatypes),
    shape: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 3 }),
  })
  .chain(({ name, datatype, shape }) =>
    dataOf(datatype, elementCount(shape)).map(data => ({ name, datatype, shape, data })),
  );
const anyTensors = fc.uniqueArray(anyTensor, { selector: ({ name }) => name, minLength: 1, maxLength: 4 });

function bitsOf(tensors: readonly Tensor[]): object[] {
  return tensors.map(one => ({ ...one, data: writeBinary(one).toString('hex') }));
}

/** A tensor as the client takes it; the storage fits by how it was made. */
function forClient({ datatype, shape, data }: Tensor): TypedTensor {
  return { datatype, shape, data } as TypedTensor;
}

/** What the server reads of a request, when it answers with the same tensors as bytes after a header of odd length. */
async function throughServer(tensors: readonly Tensor[], encoding: 'binary' | 'json') {
  let read: readonly Tensor[] = [];
  const client = new InferenceClient('', {
    encoding,
    fetch: async (_, { headers, body }) => {
      const bytes = typeof body === 'string' ? Buffer.from(body) : Buffer.from(body as Uint8Array);
      const length = new Headers(headers).get('inference-header-content-length');
      read = readInferRequest(bytes, length === null ? bytes.length : Number(length), 'm').inputs;
      const parts = read.map(writeBinary);
      const outputs = read.map(({ name, datatype, shape }, i) => ({
        name,
        datatype,
        shape,
        parameters: { binary_data_size: parts[i]?.length },
      }));
      const json = Buffer.from(JSON.stringify({ model_name: 'm', outputs }));
      return new Response(Buffer.concat([json, ...parts]), {
        headers: { 'inference-header-content-length': String(json.length) },
      });
    },
  });
  const inputs = Object.fromEntries(tensors.map(one => [one.name, forClient(one)]));
  const { outputs } = await client.model('m').infer(inputs);
  return {
    read,
    back: Object.entries(outputs).map(([name, { datatype, shape, data }]) => ({ name, datatype, shape, data })),
  };
}

test('what the client sends as bytes the server reads bit by bit, and back', async () => {
  await fc.assert(
    fc.asyncProperty(anyTensors, async tensors => {
      const sorted = Object.values(Object.fromEntries(tensors.map(one => [one.name, one])));
      const { read, back } = await throughServer(sorted, 'binary');
      expect(bitsOf(read)).toEqual(bitsOf(sorted));
      expect(bitsOf(back)).toEqual(bitsOf(sorted));
    }),
    { numRuns: 150 },
  );
});

test('what the client sends as JSON the server reads as the same values', async () => {
  const jsonTensors = anyTensors.map(tensors =>
    tensors.filter(({ datatype, shape }) => datatype !== 'FP16' && shape.length > 0),
  );
  await fc.assert(
    fc.asyncProperty(jsonTensors, async tensors => {
      const sorted = Object.values(Object.fromEntries(tensors.map(one => [one.name, one])));
      const { read } = await throughServer(sorted, 'json');
      expect(read.map(({ data }) => Array.from<unknown>(data))).toEqual(
        sorted.map(({ data }) => Array.from<unknown>(data)),
      );
    }),
    { numRuns: 100 },
  );
});

const echo: Pick<Signature, 'inputs' | 'outputs'> = {
  inputs: [
    { name: 'n', datatype: 'INT64', shape: [-1, 2], optional: false },
    { name: 's', datatype: 'BYTES', shape: [-1], optional: false },
    { name: 'h', datatype: 'FP16', shape: [-1], optional: false },
  ],
  outputs: [
    { name: 'n2', datatype: 'INT64', shape: [-1, 2], optional: false },
    { name: 's2', datatype: 'BYTES', shape: [-1], optional: false },
    { name: 'h2', datatype: 'FP16', shape: [-1], optional: false },
  ],
};

type Addition = {
  readonly inputs: { readonly a: 'FP32'; readonly b: 'FP32' };
  readonly outputs: { readonly sum: 'FP32' };
};

let fake: FakeGateway;
let client: InferenceClient;

beforeAll(async () => {
  fake = await FakeGateway.start();
  await fake.route(
    { name: 'echo', aliases: { champion: 1 }, versions: [fake.version(echo, echoModel(echo))] },
    { name: 'add', aliases: { champion: 1, canary: 1 }, versions: [fake.version(addition, addModel)] },
  );
  client = new InferenceClient(`http://127.0.0.1:${fake.gateway.port}`);
});
afterAll(async () => await fake[Symbol.asyncDispose]());

const pair = (value: number) => tensor('FP32', [1, 2], Float32Array.of(value, value + 0.1));

test('a gateway answers all datatypes that have no exact JSON, and says what it is', async () => {
  const { outputs, predictionId } = await client.model('echo').infer({
    n: tensor('INT64', [1, 2], BigInt64Array.of(2n ** 63n - 1n, -5n)),
    s: tensor('BYTES', [1], ['日本 "x"']),
    h: tensor('FP16', [1], Uint16Array.of(0x3555)),
  });
  expect(Object.values(outputs).map(({ data }) => [...data])).toEqual([[2n ** 63n - 1n, -5n], ['日本 "x"'], [0x3555]]);
  expect(fake.sink.answers.at(-1)?.id).toBe(predictionId);
  expect(await client.sendsBinary()).toBe(true);
  expect(await client.isReady()).toBe(true);
  expect(await client.model('nope').isReady()).toBe(false);
  expect((await client.models()).map(({ name }) => name)).toEqual(['add', 'echo']);
  expect(await client.model('add', 'canary').metadata()).toMatchObject({ name: 'add', versions: ['1'] });
});

test('JSON and bytes give the same bits', async () => {
  const json = new InferenceClient(`http://127.0.0.1:${fake.gateway.port}`, { encoding: 'json' });
  const inputs = { a: pair(0.1), b: pair(1e-9) };
  const [asJson, asBytes] = await Promise.all([json, client].map(one => one.model<Addition>('add').infer(inputs)));
  expect(asJson?.outputs.sum).toEqual(asBytes?.outputs.sum);
});

test('many requests are answered in order over few connections', async () => {
  const requests = Array.from({ length: 50 }, (_, i) => ({ id: `r${i}`, inputs: { a: pair(i), b: pair(0) } }));
  const answers = [];
  for await (const { id, outputs } of client.model<Addition>('add').inferMany(requests, { concurrency: 8 })) {
    answers.push([id, outputs.sum.data[0]]);
  }
  expect(answers).toEqual(requests.map((_, i) => [`r${i}`, i]));
});

test('an error has the sentence of the server', async () => {
  await expect(client.model('add').infer({ a: pair(1) })).rejects.toMatchObject({
    code: 'invalid_request',
    status: 400,
    message: expect.stringContaining("missing required input(s) ['b']"),
  });
});

test('nobody listening is told as such, after retries', async () => {
  const gone = new InferenceClient('http://127.0.0.1:1', {
    encoding: 'binary',
    retry: { attempts: 2, baseMs: 1 },
    clock: { nowMs: () => Date.now(), sleep: async () => {}, random: () => 0 },
  });
  await expect(gone.model('add').infer({ a: pair(1) })).rejects.toMatchObject({
    code: 'connection',
    status: undefined,
  });
});

test('labels reach the sink', async () => {
  const labels = [
    { key: 'order-1', value: true },
    { predictionId: 'p', value: 0.5, eventTimeMs: 1000 },
  ];
  expect(await client.model('add').label(labels)).toBe(2);
  await expect(client.model('nope').label(labels)).rejects.toMatchObject({ serverCode: 'model_not_found' });
});
