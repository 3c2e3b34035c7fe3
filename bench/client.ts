// What the client of @holdfast/api costs its own process per request: binary tensors beside JSON, and beside the JSON that
// one would write by hand around `fetch`. The server is a function that answers at once, so only the client is measured.
//   npm run bench -- client [--rounds 5] [--json]
import { parseArgs } from 'node:util';
import { InferenceClient, type TypedTensor, tensor } from '@holdfast/api/inference';

type Variant = 'binary' | 'json' | 'by hand';
const variants: readonly Variant[] = ['binary', 'json', 'by hand'];

/** Elements of a request and of its answer. */
const sizes: readonly number[] = [30, 1000, 100_000];
/** Requests of a round, so that one takes tens of milliseconds at least. */
const requestsFor = (elements: number): number => Math.max(10, Math.round(200_000 / elements));
/** Binary must not cost more than half of JSON from this many elements on. */
const barElements = 1000;
const barRatio = 0.5;

type Echo = { readonly inputs: { readonly x: 'FP32' }; readonly outputs: { readonly y: 'FP32' } };

/** Answers as a server would that gives back these values. */
function answersOf(values: Float32Array<ArrayBuffer>): Readonly<Record<'binary' | 'json', () => Response>> {
  const output = { name: 'y', datatype: 'FP32', shape: [1, values.length] };
  const head = (rest: object): string => JSON.stringify({ model_name: 'm', outputs: [{ ...output, ...rest }] });
  const json = head({ data: Array.from(values) });
  const header = Buffer.from(head({ parameters: { binary_data_size: values.byteLength } }));
  const binary = Buffer.concat([header, new Uint8Array(values.buffer)]);
  const headers = { 'inference-header-content-length': String(header.length) };
  return { binary: () => new Response(binary, { headers }), json: () => new Response(json) };
}

async function byHand(x: TypedTensor<'FP32'>, answer: () => Response): Promise<Float32Array> {
  const body = JSON.stringify({
    inputs: [{ name: 'x', datatype: 'FP32', shape: x.shape, data: Array.from(x.data) }],
  });
  if (body.length === 0) throw new Error('nothing was sent');
  const { outputs } = JSON.parse(await answer().text());
  return Float32Array.from(outputs[0].data);
}

interface Line {
  readonly elements: number;
  /** CPU per request in microseconds, the least of all rounds. */
  readonly us: Readonly<Record<Variant, number>>;
}

async function measure(elements: number, rounds: number): Promise<Line> {
  const values = Float32Array.from({ length: elements }, (_, i) => Math.sin(i) * 100);
  const answers = answersOf(values);
  const x = tensor('FP32', [1, elements], values);
  const modelOf = (encoding: 'binary' | 'json') =>
    new InferenceClient('http://server', { encoding, fetch: async () => answers[encoding]() }).model<Echo>('m');
  const [binary, json] = [modelOf('binary'), modelOf('json')];
  const run: Readonly<Record<Variant, () => Promise<Float32Array>>> = {
    binary: async () => (await binary.infer({ x })).outputs.y.data,
    json: async () => (await json.infer({ x })).outputs.y.data,
    'by hand': () => byHand(x, answers.json),
  };
  const least = {
    binary: Number.POSITIVE_INFINITY,
    json: Number.POSITIVE_INFINITY,
    'by hand': Number.POSITIVE_INFINITY,
  };
  const requests = requestsFor(elements);
  for (let round = 0; round <= rounds; round++) {
    for (const variant of variants) {
      const before = process.cpuUsage();
      for (let i = 0; i < requests; i++) {
        const { length } = await run[variant]();
        if (length !== elements) throw new Error(`${variant} gave ${length} elements`);
      }
      const { user, system } = process.cpuUsage(before);
      // The first round warms up.
      if (round > 0) least[variant] = Math.min(least[variant], (user + system) / requests);
    }
  }
  return { elements, us: least };
}

const { values: options } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, json: { type: 'boolean', default: false } },
});
const lines: Line[] = [];
for (const elements of sizes) lines.push(await measure(elements, Number(options.rounds)));
const rows = lines.map(({ elements, us }) => ({
  elements,
  binaryUs: us.binary.toFixed(0),
  jsonUs: us.json.toFixed(0),
  byHandUs: us['by hand'].toFixed(0),
  'binary/json': (us.binary / us.json).toFixed(3),
  'json/by hand': (us.json / us['by hand']).toFixed(2),
}));
if (options.json) console.log(JSON.stringify(rows));
else console.table(rows);
const missed = lines.filter(({ elements, us }) => elements >= barElements && us.binary > barRatio * us.json);
for (const { elements } of missed) console.error(`at ${elements} elements binary costs more than ${barRatio} of JSON`);
process.exitCode = missed.length === 0 ? 0 : 1;
