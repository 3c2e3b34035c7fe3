import type { Signature } from '@holdfast/api';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { addition, addModel, echoModel, FakeGateway } from '../../fake-gateway.ts';

type Tensors = Pick<Signature, 'inputs' | 'outputs'>;

function echo(
  datatype: 'FP32' | 'FP64' | 'INT64' | 'INT32' | 'BYTES' | 'BOOL',
  shape: number[],
  output = 'o',
): Tensors {
  return {
    inputs: [{ name: 'i', datatype, shape, optional: false }],
    outputs: [{ name: output, datatype, shape, optional: false }],
  };
}

/** Two inputs of different types, given back as two outputs. */
const mixed: Tensors = {
  inputs: [
    { name: 'n', datatype: 'FP32', shape: [-1], optional: false },
    { name: 's', datatype: 'BYTES', shape: [-1, 1], optional: false },
  ],
  outputs: [
    { name: 'n2', datatype: 'FP32', shape: [-1], optional: false },
    { name: 's2', datatype: 'BYTES', shape: [-1, 1], optional: false },
  ],
};

let fake: FakeGateway;

beforeAll(async () => {
  fake = await FakeGateway.start();
  const routed = (name: string, signature: Tensors) => ({
    name,
    aliases: { champion: 1 },
    versions: [fake.version(signature, echoModel(signature))],
  });
  await fake.route(
    routed('row', echo('FP32', [-1])),
    routed('pair', echo('FP32', [-1, 2])),
    routed('double', echo('FP64', [-1])),
    routed('long', echo('INT64', [-1])),
    routed('int', echo('INT32', [-1])),
    routed('bool', echo('BOOL', [-1])),
    routed('text', echo('BYTES', [-1])),
    routed('bytes', echo('BYTES', [-1], 'o_bytes')),
    routed('mixed', mixed),
    {
      name: 'add',
      aliases: { champion: 2, 'canary-1': 3 },
      versions: [
        fake.version(addition, addModel, { version: 2 }),
        fake.version(addition, addModel, { version: 3 }),
        fake.version(addition, addModel, { version: 1, state: 'failed', reason: 'cannot be loaded', sockets: [] }),
      ],
    },
  );
});
afterAll(async () => await fake[Symbol.asyncDispose]());

function predict(model: string, body: string | object) {
  return fake.call(`/v1/models/${model}:predict`, { body: typeof body === 'string' ? body : JSON.stringify(body) });
}

test.each([
  ['row', '{"instances":[1, 2.5, 3e21]}', '{"predictions":[1.0,2.5,3e+21]}'],
  ['row', '{"instances":[0.1, NaN, -Infinity, -0.0]}', '{"predictions":[0.1,NaN,-Infinity,-0.0]}'],
  ['pair', '{"instances":[[1,2],[3,4]]}', '{"predictions":[[1.0,2.0],[3.0,4.0]]}'],
  ['pair', '{"instances":[{"i":[1,2]}], "signature_name":"serving_default"}', '{"predictions":[[1.0,2.0]]}'],
  ['pair', '{"inputs":[[1,2]]}', '{"outputs":[[1.0,2.0]]}'],
  ['pair', '{"inputs":{"i":[[1,2]]}}', '{"outputs":[[1.0,2.0]]}'],
  ['double', '{"instances":[0.1, 12345678901234567890]}', '{"predictions":[0.1,12345678901234567000.0]}'],
  ['long', '{"instances":[9007199254740993]}', '{"predictions":[9007199254740993]}'],
  ['bool', '{"instances":[true,false]}', '{"predictions":[true,false]}'],
  ['text', '{"instances":["a\\"é", {"b64":"aGk="}]}', '{"predictions":["a\\"é","hi"]}'],
  ['bytes', '{"instances":["hi"]}', '{"predictions":[{"b64":"aGk="}]}'],
  ['mixed', '{"instances":[{"n":1,"s":"a"},{"s":["b"],"n":2}]}', '{"error"'],
  [
    'mixed',
    '{"instances":[{"n":1,"s":"a"},{"s":"b","n":2}]}',
    '{"predictions":[{"n2":1.0,"s2":["a"]},{"n2":2.0,"s2":["b"]}]}',
  ],
  ['mixed', '{"inputs":{"n":[1,2],"s":[["a"],["b"]]}}', '{"outputs":{"n2":[1.0,2.0],"s2":[["a"],["b"]]}}'],
  ['row', '{"instances":[1]} trailing garbage is ignored', '{"predictions":[1.0]}'],
])('%s: %s is answered %s', async (model, body, answer) => {
  const reply = await predict(model, body);
  expect(reply.text.replace('{\n    "error"', '{"error"').slice(0, answer.length)).toBe(answer);
});

test.each<[status: number, error: string, model: string, body: string | object]>([
  [400, 'JSON Parse error: The document is empty', 'row', ''],
  [400, 'JSON Parse error: Invalid value. at offset: 13', 'row', '{"instances":x}'],
  [400, 'JSON Value: "abc" Type: String is not of expected type: float', 'row', { inputs: ['abc'] }],
  [
    400,
    'JSON Value: {"inputs":[1],"instances":[1]} Not formatted correctly expecting only one of \'inputs\' or \'instances\' keys to exist ',
    'row',
    { inputs: [1], instances: [1] },
  ],
  [400, "Missing 'inputs' or 'instances' key", 'row', {}],
  [400, "No values in 'instances' array", 'row', { instances: [] }],
  [400, "Expecting 'instances' to be an list/array", 'row', { instances: 1 }],
  [
    400,
    'Failed to process element: 1 of \'instances\' list. Error: INVALID_ARGUMENT: JSON Value: "x" Type: String is not of expected type: float',
    'row',
    { instances: [1, 'x'] },
  ],
  [
    400,
    "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: Expecting tensor size: 1 but got: 2",
    'pair',
    { instances: [[1], [1, 2]] },
  ],
  [
    400,
    "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: JSON object: does not have named input: s",
    'mixed',
    { instances: [{ n: 1, s: 'a' }, { n: 1 }] },
  ],
  [400, "Missing named input: s in 'inputs' object.", 'mixed', { inputs: { n: [1] } }],
  [400, 'Serving signature name: "S" not found in signature def', 'row', { signature_name: 'S', instances: [1] }],
  [400, "'signature_name' key must be a string value.", 'row', { signature_name: 1, instances: [1] }],
  [400, 'JSON Value: 1.5 Type: Number is not of expected type: int32', 'int', { inputs: [1.5] }],
  [404, 'Servable not found for request: Latest(nope)', 'nope', { instances: [1] }],
  [404, 'Servable not found for request: Specific(add, 99)', 'add/versions/99', { instances: [1] }],
  [400, 'Unrecognized servable version label: L', 'add/labels/L', { instances: [1] }],
  [400, 'Failed to convert version: 99999999999999999999 to numeric.', 'add/versions/99999999999999999999', {}],
  [503, 'Version 1 of "add" is not ready to serve.', 'add/versions/1', { instances: [1] }],
])('is refused with %i: %s', async (status, error, model, body) => {
  const reply = await predict(model, body);
  expect(reply.json()).toEqual({ error });
  expect(reply.status).toBe(status);
  expect(reply.text).toBe(`{\n    "error": ${JSON.stringify(error)}\n}`);
});

test('verbs and paths are matched in any case, labels are aliases, names are percent-decoded', async () => {
  const body = '{"instances":[{"a":[1,2],"b":[3,4]}]}';
  const reply = await fake.call('/V1/Models/a%64d/Labels/canary%2d1:PREDICT', { body });
  expect([reply.text, reply.headers['x-holdfast-version']]).toEqual(['{"predictions":[[4.0,6.0]]}', '3']);
  expect(fake.sink.answers.at(-1)).toMatchObject({ model: 'add', version: 3, rows: 1 });
});

test.each([
  ['GET', '/v1/models', 400, 'Missing model name in request.'],
  ['GET', '/v1/foo', 400, 'Malformed request: GET /v1/foo'],
  ['POST', '/v1/models/add', 400, 'Malformed request: POST /v1/models/add'],
  ['GET', '/v1/models/add:predict', 400, 'Malformed request: GET /v1/models/add:predict'],
  ['GET', '/v1/models/nope', 404, 'Could not find any versions of model nope'],
  ['GET', '/v1/models/add/versions/9', 404, 'Could not find version 9 of model add'],
  ['GET', '/v1/models/add/labels/L', 400, 'Unrecognized servable version label: L'],
  ['GET', '/v1/models/nope/metadata', 404, 'Servable not found for request: Latest(nope)'],
])('%s %s is refused with %i: %s', async (method, path, status, error) => {
  const reply = await fake.call(path, { method, ...(method === 'POST' ? { body: '{}' } : {}) });
  expect([reply.status, reply.json()]).toEqual([status, { error }]);
});

test('status tells every version, newest first', async () => {
  const ok = { error_code: 'OK', error_message: '' };
  expect((await fake.call('/v1/models/add')).json()).toEqual({
    model_version_status: [
      { version: '3', state: 'AVAILABLE', status: ok },
      { version: '2', state: 'AVAILABLE', status: ok },
      { version: '1', state: 'END', status: { error_code: 'UNKNOWN', error_message: 'cannot be loaded' } },
    ],
  });
  expect((await fake.call('/v1/models/add/labels/canary-1')).json()).toMatchObject({
    model_version_status: [{ version: '3' }],
  });
});

test('metadata tells types and shapes', async () => {
  expect((await fake.call('/v1/models/text/metadata')).json()).toEqual({
    model_spec: { name: 'text', signature_name: '', version: '1' },
    metadata: {
      signature_def: {
        signature_def: {
          serving_default: {
            inputs: {
              i: {
                dtype: 'DT_STRING',
                tensor_shape: { dim: [{ size: '-1', name: '' }], unknown_rank: false },
                name: 'i:0',
              },
            },
            outputs: {
              o: {
                dtype: 'DT_STRING',
                tensor_shape: { dim: [{ size: '-1', name: '' }], unknown_rank: false },
                name: 'o:0',
              },
            },
            method_name: 'tensorflow/serving/predict',
            defaults: {},
          },
        },
      },
    },
  });
});

test('OPTIONS from a page is answered', async () => {
  const reply = await fake.call('/v1/models/add:predict', {
    method: 'OPTIONS',
    headers: { origin: 'http://page.example' },
  });
  expect(reply.status).toBe(200);
});
