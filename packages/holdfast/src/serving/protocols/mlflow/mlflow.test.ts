import type { Datatype, Signature, Tensor } from '@holdfast/api';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { addition, addModel, echoModel, FakeGateway, type FakeReply } from '../../fake-gateway.ts';

function tensor(name: string, datatype: Datatype, shape: number[], optional = false) {
  return { name, datatype, shape, optional };
}

function echo(datatype: Datatype, shape: number[]): Pick<Signature, 'inputs' | 'outputs'> {
  return { inputs: [tensor('i', datatype, shape)], outputs: [tensor('o', datatype, shape)] };
}

/** Three scalar columns of different types, given back as three outputs. */
const person: Pick<Signature, 'inputs' | 'outputs'> = {
  inputs: [
    tensor('age', 'INT64', [-1, 1]),
    tensor('plan', 'BYTES', [-1, 1]),
    tensor('score', 'FP32', [-1]),
    tensor('member', 'BOOL', [-1], true),
  ],
  outputs: [tensor('age2', 'INT64', [-1, 1]), tensor('plan2', 'BYTES', [-1, 1]), tensor('score2', 'FP32', [-1])],
};

/** One wide input whose columns are named by the file, or by nobody. */
function wide(names: readonly string[]): Signature {
  const columns = names.map((name, index) => ({
    name,
    role: 'input' as const,
    tensor: 'i',
    index,
    kind: 'numeric' as const,
    pii: false,
  }));
  return { ...echo('FP32', [-1, names.length]), columns, task: { kind: 'none' } };
}

let fake: FakeGateway;

beforeAll(async () => {
  fake = await FakeGateway.start();
  const routed = (name: string, signature: Pick<Signature, 'inputs' | 'outputs'>) => ({
    name,
    aliases: { champion: 1 },
    versions: [fake.version(signature, echoModel(signature))],
  });
  const named = (name: string, signature: Signature) => ({
    name,
    aliases: { champion: 1 },
    versions: [fake.version(signature, echoModel(signature), { signature })],
  });
  await fake.route(
    routed('person', person),
    routed('float', echo('FP32', [-1, 1])),
    routed('double', echo('FP64', [-1])),
    routed('int', echo('INT32', [-1])),
    routed('long', echo('INT64', [-1])),
    routed('bool', echo('BOOL', [-1])),
    routed('text', echo('BYTES', [-1])),
    routed('half', echo('FP16', [-1])),
    routed('cube', echo('FP32', [-1, 2, 2])),
    named('named', wide(['x', 'y', 'z'])),
    named('unnamed', wide(['i[0]', 'i[1]'])),
    {
      name: 'uneven',
      aliases: { champion: 1 },
      versions: [
        fake.version(
          {
            inputs: [tensor('i', 'FP32', [-1])],
            outputs: [tensor('o', 'FP32', [-1]), tensor('sum', 'FP32', [1, 2])],
          },
          ([i]): readonly Tensor[] => [
            { ...i!, name: 'o' },
            { name: 'sum', datatype: 'FP32', shape: [1, 2], data: Float32Array.of(5, 6) },
          ],
        ),
      ],
    },
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

function invoke(model: string, body: string | object, contentType = 'application/json'): Promise<FakeReply> {
  return fake.call(`/models/${model}/invocations`, {
    body: typeof body === 'string' ? body : JSON.stringify(body),
    headers: { 'content-type': contentType },
  });
}

const adult = '[{"age2":[30],"plan2":["plus"],"score2":0.5},{"age2":[41],"plan2":["basic"],"score2":NaN}]';

test.each([
  [
    'person',
    '{"dataframe_split":{"columns":["age","plan","score"],"data":[[30,"plus",0.5],[41,"basic",null]]}}',
    adult,
  ],
  ['person', '{"dataframe_split":{"data":[[30,"plus",0.5],[41,"basic",null]]}}', adult],
  ['person', '{"dataframe_split":{"columns":[0,1,2],"index":[7,9],"data":[[30,"plus",0.5],[41,"basic",null]]}}', adult],
  [
    'person',
    '{"dataframe_records":[{"score":0.5,"extra":[1],"plan":"plus","age":30},{"age":41,"plan":"basic"}],"params":{"n":1}}',
    adult,
  ],
  ['person', '{"instances":[{"plan":"plus","age":30,"score":0.5},{"age":41,"plan":"basic","score":NaN}]}', adult],
  ['person', '{"inputs":{"plan":["plus","basic"],"age":[[30],[41]],"score":[0.5,null]}}', adult],
  ['person', '{"inputs":[{"plan":"plus","age":30,"score":0.5},{"age":41,"plan":"basic","score":null}]}', adult],
  ['float', '{"inputs":[0.1,2,true,null]}', '[[0.1],[2.0],[1.0],[NaN]]'],
  ['float', '{"inputs":{"i":[[0.1],[-0.0]]}}', '[[0.1],[-0.0]]'],
  ['double', '{"instances":[0.1,12345678901234567890]}', '[0.1,12345678901234567000.0]'],
  ['int', '{"inputs":[3.0,false,-2147483648]}', '[3,0,-2147483648]'],
  ['long', '{"inputs":[9007199254740993]}', '[9007199254740993]'],
  ['bool', '{"inputs":[true,0,1]}', '[true,false,true]'],
  ['text', '{"inputs":["a\\"é",""]}', '["a\\"é",""]'],
  ['cube', '{"inputs":[[[1,2],[3,4]]]}', '[[[1.0,2.0],[3.0,4.0]]]'],
  ['cube', '{"dataframe_records":[{"i":[[1,2],[3,4]]}]}', '[[[1.0,2.0],[3.0,4.0]]]'],
  ['named', '{"dataframe_records":[{"z":3,"x":1,"y":2}]}', '[[1.0,2.0,3.0]]'],
  ['named', '{"instances":[[1,2,3]]}', '[[1.0,2.0,3.0]]'],
  ['named', '{"inputs":{"y":[2],"z":[3],"x":[1]}}', '[[1.0,2.0,3.0]]'],
  ['unnamed', '{"dataframe_split":{"columns":["a","b"],"data":[[1,2]]}}', '[[1.0,2.0]]'],
  ['unnamed', '{"dataframe_split":{"columns":["i[1]","i[0]"],"data":[[1,2]]}}', '[[2.0,1.0]]'],
  ['unnamed', '{"dataframe_split":{"columns":["i[0]","i[1]"],"data":[]}}', '[]'],
  ['uneven', '{"inputs":[1,2,3]}', '{"o":[1.0,2.0,3.0],"sum":[[5.0,6.0]]}'],
])('%s: %s is answered %s', async (model, body, predictions) => {
  expect((await invoke(model, body)).text).toBe(`{"predictions": ${predictions}}`);
});

test.each([
  ['person', ',score,plan,age\r\n0,0.5,plus,30\r\n1,,basic,41\r\n', adult],
  ['text', 'i\n"a, ""b""\nc"\n007\n', '["a, \\"b\\"\\nc","007"]'],
  ['double', 'i\n1e3\n-inf\nNA\n\n.5\n', '[1000.0,-Infinity,NaN,0.5]'],
  ['long', 'i\n9007199254740993\n', '[9007199254740993]'],
  ['bool', 'i\nTrue\nfalse\n1\n', '[true,false,true]'],
])('%s: the CSV %j is answered %s', async (model, csv, predictions) => {
  expect((await invoke(model, csv, 'text/csv; charset=utf-8')).text).toBe(`{"predictions": ${predictions}}`);
});

const fieldsText =
  "The input must be a JSON dictionary with exactly one of the input fields {'dataframe_split', 'dataframe_records', 'instances', 'inputs'}.";

test.each<[status: number, message: string, model: string, body: string | object]>([
  [400, `${fieldsText} Received a list.`, 'int', [1]],
  [400, `${fieldsText} Received dictionary with input fields: ['messages'].`, 'int', { messages: [] }],
  [
    400,
    `${fieldsText} Received dictionary with input fields: ['inputs', 'instances'].`,
    'int',
    { inputs: [1], instances: [1] },
  ],
  [
    400,
    "Invalid input. Ensure that input is a valid JSON formatted string. Error: 'Invalid value. at offset: 10'",
    'int',
    '{"inputs":x}',
  ],
  [400, "Invalid input. 'params' must be a dictionary.", 'int', { inputs: [1], params: 3 }],
  [
    400,
    "Model is missing inputs ['age', 'score']. Note that there were extra inputs: ['Age']",
    'person',
    { dataframe_records: [{ Age: 30, plan: 'plus' }] },
  ],
  [400, "Model is missing inputs ['y'].", 'named', { inputs: { x: [1], z: [1] } }],
  [
    400,
    "The input has 2 columns without names, but the model takes 3: ['x', 'y', 'z']. Name the columns, or give them all in this order.",
    'named',
    { dataframe_split: { data: [[1, 2]] } },
  ],
  [
    400,
    "Invalid input. Row 1 of 'dataframe_split' has 1 values, but there are 2 columns.",
    'named',
    { dataframe_split: { data: [[1, 2], [1]] } },
  ],
  [
    400,
    "Invalid input. Column x is in 'dataframe_split' more than once.",
    'named',
    { dataframe_split: { columns: ['x', 'x'], data: [] } },
  ],
  [
    400,
    'Incompatible input types for column i. Can not safely convert 1.5 in row 1 to integer.',
    'int',
    { inputs: [1, 1.5] },
  ],
  [
    400,
    'Incompatible input types for column i. Can not safely convert 2147483648 in row 0 to integer.',
    'int',
    { inputs: [2147483648] },
  ],
  [
    400,
    'Incompatible input types for column i. Can not safely convert null in row 0 to long. This type has no missing values; fill them before asking.',
    'long',
    { dataframe_records: [{ i: null }] },
  ],
  [
    400,
    'Incompatible input types for column i. Can not safely convert "2024-05-01T10:00:00" in row 0 to double. Dates and times are no tensor elements; send the number that the model was trained on.',
    'double',
    { inputs: ['2024-05-01T10:00:00'] },
  ],
  [
    400,
    'Incompatible input types for column i. Can not safely convert "3" in row 0 to integer.',
    'int',
    { inputs: ['3'] },
  ],
  [400, 'Incompatible input types for column i. Can not safely convert 3 in row 0 to string.', 'text', { inputs: [3] }],
  [
    400,
    'Incompatible input types for column i. Can not safely convert 2 in row 0 to boolean.',
    'bool',
    { inputs: [2] },
  ],
  [
    400,
    'Column i is of type float16, which has no JSON or CSV form here; send it as a binary tensor.',
    'half',
    { inputs: [1] },
  ],
  [
    400,
    'Incompatible shape for column i: all rows must be of shape (2, 2), but row 1 is not.',
    'cube',
    {
      inputs: [
        [
          [1, 2],
          [3, 4],
        ],
        [[1, 2], [3]],
      ],
    },
  ],
])('is refused with %i: %s', async (status, message, model, body) => {
  const reply = await invoke(model, body);
  expect(reply.json()).toEqual({ error_code: 'BAD_REQUEST', message });
  expect(reply.status).toBe(status);
});

test.each([
  ['i,j\n1\n', 'Expected 2 fields in line 2, saw 1'],
  ['i\n"a\n', 'the quotation that starts in line 2 does not end'],
  ['i\n"a"b\n', 'text follows a closed quotation in line 2'],
  ['\n', 'No columns to parse from file'],
])('the CSV %j is refused: %s', async (csv, why) => {
  const reply = await invoke('int', csv, 'text/csv');
  expect([reply.status, reply.json()]).toMatchObject([400, { message: expect.stringContaining(`Error: '${why}'`) }]);
});

test.each([
  [
    'application/x-www-form-urlencoded',
    "This predictor only supports the following content types: Types: ['text/csv', 'application/json']. Got 'application/x-www-form-urlencoded'.",
  ],
  ['application/json; charset=latin1', 'The scoring server only supports UTF-8'],
  ['application/json; format=pandas-split', 'Unrecognized content type parameters: format.'],
])('the content type %s is refused with 415', async (contentType, message) => {
  const reply = await invoke('int', '{"inputs":[1]}', contentType);
  expect([reply.status, reply.json()]).toEqual([415, { error_code: 'BAD_REQUEST', message }]);
});

test.each([
  ['nope', 404, 'RESOURCE_DOES_NOT_EXIST'],
  ['add/versions/9', 404, 'RESOURCE_DOES_NOT_EXIST'],
  ['add/blue', 404, 'RESOURCE_DOES_NOT_EXIST'],
  ['add/versions/1', 503, 'TEMPORARILY_UNAVAILABLE'],
])('%s is answered %i %s', async (model, status, error_code) => {
  const reply = await invoke(model, { inputs: [1] });
  expect([reply.status, reply.json()]).toMatchObject([status, { error_code }]);
});

test('an alias in the path answers, and the prediction is recorded like any other', async () => {
  const reply = await invoke('add/canary%2d1', { inputs: { a: [[1, 2]], b: [[3, 4]] } });
  expect([reply.text, reply.headers['x-holdfast-version']]).toEqual(['{"predictions": [[4.0,6.0]]}', '3']);
  expect(fake.sink.answers.at(-1)).toMatchObject({ model: 'add', version: 3, rows: 1 });
});

test('the root refuses to guess between several models, and names them', async () => {
  const reply = await fake.call('/invocations', { body: '{}', headers: { 'content-type': 'application/json' } });
  expect([reply.status, reply.json()]).toMatchObject([
    400,
    {
      message: expect.stringMatching(
        /^Several models are served here: add, bool, .*Send the request to \/models\/NAME/,
      ),
    },
  ]);
});

test('the answer has the bits of the Open Inference Protocol', async () => {
  const values = Array.from({ length: 200 }, (_, i) => Math.fround(Math.sin(i) * 10 ** ((i % 40) - 20)));
  const mine = await invoke('float', { inputs: values });
  const oip = await fake.call('/v2/models/float/infer', {
    body: JSON.stringify({ inputs: [{ name: 'i', datatype: 'FP32', shape: [200, 1], data: values }] }),
  });
  const [, predictions] = /"predictions": \[(.*)\]\}$/.exec(mine.text) ?? [];
  const [, elements] = /"data":\[([^\]]*)\]/.exec(oip.text) ?? [];
  const numbers = (text = '') => Float32Array.from(text.replace(/[[\]]/g, '').split(','), Number);
  expect(numbers(predictions)).toEqual(numbers(elements));
});

test('a body too large to read on the event loop is read all the same', async () => {
  const records = Array.from({ length: 30_000 }, (_, i) => ({ age: i, plan: `plan-${i % 7}`, score: i / 8 }));
  const reply = await invoke('person', { dataframe_records: records });
  expect(reply.text.endsWith('{"age2":[29999],"plan2":["plan-4"],"score2":3749.875}]}')).toBe(true);
});

test('a server of one model answers at the root', async () => {
  await using single = await FakeGateway.start();
  await single.serve('add', single.version(addition, addModel));
  const call = { body: '{"inputs":{"a":[[1,2]],"b":[[3,4]]}}', headers: { 'content-type': 'application/json' } };
  expect((await single.call('/invocations', call)).text).toBe('{"predictions": [[4.0,6.0]]}');
  const probes = await Promise.all(['/ping', '/health', '/version'].map(path => single.call(path)));
  expect(probes.map(({ status, text }) => [status, text])).toEqual([
    [200, '\n'],
    [200, '\n'],
    [200, '0.1.0'],
  ]);
  expect((await single.call('/invocations')).status).toBe(405);
});

test('a server that is starting is not healthy', async () => {
  await using starting = await FakeGateway.start();
  const reply = await starting.call('/ping');
  expect([reply.status, reply.json()]).toMatchObject([503, { error_code: 'TEMPORARILY_UNAVAILABLE' }]);
});
