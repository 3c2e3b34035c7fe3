// What a Node developer writes by hand: Fastify, the Open Inference Protocol's JSON or binary body, and one
// `session.run` per request. The same process also calls the bare session in a loop, for the cost of the model itself.
import Fastify from 'fastify';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { z } from 'zod';

const inferSchema = z.object({
  inputs: z.array(
    z.object({
      name: z.string(),
      shape: z.array(z.number()),
      datatype: z.enum(['FP32', 'BYTES']),
      parameters: z.object({ binary_data_size: z.number() }).optional(),
      data: z.array(z.union([z.number(), z.string()])).optional(),
    }),
  ),
});
type Infer = z.infer<typeof inferSchema>;

const orderSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('serve'), modelPath: z.string() }),
  z.object({ kind: z.literal('loop'), batch: z.int(), seconds: z.number(), request: z.unknown() }),
]);

let session: InferenceSession | undefined;

function textsOf(bytes: Buffer): string[] {
  const texts: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32LE(at);
    texts.push(bytes.toString('utf8', at + 4, at + 4 + length));
    at += 4 + length;
  }
  return texts;
}

function feedsOf({ inputs }: Infer, binary: Buffer): Record<string, Tensor> {
  const feeds: Record<string, Tensor> = {};
  let at = 0;
  for (const { name, shape, datatype, data, parameters } of inputs) {
    const size = parameters?.binary_data_size ?? 0;
    const bytes = binary.subarray(at, at + size);
    at += size;
    if (datatype === 'BYTES') feeds[name] = new Tensor('string', data?.map(String) ?? textsOf(bytes), shape);
    else {
      const values =
        data === undefined ? new Float32Array(Uint8Array.from(bytes).buffer) : Float32Array.from(data, Number);
      feeds[name] = new Tensor('float32', values, shape);
    }
  }
  return feeds;
}

const datatypes: Readonly<Record<string, string>> = { float32: 'FP32', int64: 'INT64', string: 'BYTES' };

async function serve(modelPath: string): Promise<number> {
  const model = await InferenceSession.create(modelPath, { intraOpNumThreads: 1, interOpNumThreads: 1 });
  session = model;
  const app = Fastify();
  app.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, (_request, body, done) =>
    done(null, body),
  );
  app.post<{ Params: { model: string } }>('/v2/models/:model/infer', async (request, reply) => {
    const { body, headers } = request;
    const head = Number(headers['inference-header-content-length']);
    const isBinary = Buffer.isBuffer(body);
    // The request is trusted as a hand-written server would: checking it with a schema would cost it more.
    const infer = (isBinary ? JSON.parse(body.toString('utf8', 0, head)) : body) as Infer;
    const answers = await model.run(feedsOf(infer, isBinary ? body.subarray(head) : Buffer.alloc(0)));
    const outputs = Object.entries(answers).map(([name, { type, dims, data }]) => ({
      name,
      datatype: datatypes[type],
      shape: dims,
      data,
    }));
    if (!isBinary) {
      return {
        model_name: request.params.model,
        outputs: outputs.map(({ data, ...output }) => ({
          ...output,
          data: Array.from(data as ArrayLike<unknown>, value => (typeof value === 'bigint' ? Number(value) : value)),
        })),
      };
    }
    const parts = outputs.map(({ data }) => {
      const { buffer, byteOffset, byteLength } = data as Float32Array;
      return Buffer.from(buffer, byteOffset, byteLength);
    });
    const json = JSON.stringify({
      model_name: request.params.model,
      outputs: outputs.map(({ data: _, ...output }, i) => ({
        ...output,
        parameters: { binary_data_size: parts[i]!.length },
      })),
    });
    reply.header('inference-header-content-length', json.length).type('application/octet-stream');
    return Buffer.concat([Buffer.from(json), ...parts]);
  });
  await app.listen({ port: 0, host: '127.0.0.1' });
  const address = app.server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** CPU microseconds per row of the bare session, called at this batch size until the time is up. */
async function loop(request: Infer, batch: number, seconds: number): Promise<number> {
  if (session === undefined) throw new Error('no model is loaded');
  const wide = request.inputs.map(input => ({
    ...input,
    shape: [batch, ...input.shape.slice(1)],
    data: Array.from({ length: batch }, () => input.data ?? []).flat(),
  }));
  const feeds = feedsOf({ inputs: wide }, Buffer.alloc(0));
  for (let i = 0; i < 200; i++) await session.run(feeds);
  const end = performance.now() + seconds * 1000;
  const before = process.cpuUsage();
  let runs = 0;
  for (; performance.now() < end; runs++) await session.run(feeds);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / (runs * batch);
}

process.on('message', (message: unknown) => {
  const order = orderSchema.parse(message);
  const answer =
    order.kind === 'serve'
      ? serve(order.modelPath)
      : loop(inferSchema.parse(order.request), order.batch, order.seconds);
  answer.then(
    value => process.send?.(value),
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      process.exit(1);
    },
  );
});
process.on('disconnect', () => process.exit(0));
