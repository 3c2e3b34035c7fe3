// What a Node developer writes by hand to serve a model: Fastify and onnxruntime-node in one process, one run of the
// model per request. It takes and gives the Open Inference Protocol, as JSON and with binary tensors, for models of
// float32 and string inputs, and checks nothing. Usage: hand-written-server.ts MODEL.onnx; prints its port.
import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify';
import { InferenceSession, Tensor } from 'onnxruntime-node';

interface JsonTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: number[];
  readonly data?: readonly (number | string)[];
  readonly parameters?: { readonly binary_data_size: number };
}

interface JsonRequest {
  readonly inputs: readonly JsonTensor[];
}

const [, , modelFile = ''] = process.argv;
// More threads only cost a model this small CPU time.
const session = await InferenceSession.create(modelFile, { intraOpNumThreads: 1, interOpNumThreads: 1 });

function ofJson({ datatype, shape, data = [] }: JsonTensor): Tensor {
  return datatype === 'BYTES'
    ? new Tensor('string', data.map(String), shape)
    : new Tensor('float32', Float32Array.from(data, Number), shape);
}

function readTexts(bytes: Buffer): string[] {
  const texts: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32LE(at);
    texts.push(bytes.toString('utf8', at + 4, at + 4 + length));
    at += 4 + length;
  }
  return texts;
}

function ofBinary({ datatype, shape }: JsonTensor, bytes: Buffer): Tensor {
  if (datatype === 'BYTES') return new Tensor('string', readTexts(bytes), shape);
  // Copied, because the bytes may not be aligned.
  const aligned = new Uint8Array(bytes);
  return new Tensor('float32', new Float32Array(aligned.buffer, 0, aligned.length / 4), shape);
}

function feedsOf({ inputs }: JsonRequest): Record<string, Tensor> {
  return Object.fromEntries(inputs.map(input => [input.name, ofJson(input)]));
}

function feedsOfBinary(body: Buffer, headLength: number): Record<string, Tensor> {
  const { inputs }: JsonRequest = JSON.parse(body.toString('utf8', 0, headLength));
  const feeds: Record<string, Tensor> = {};
  let at = headLength;
  for (const input of inputs) {
    const end = at + (input.parameters?.binary_data_size ?? 0);
    feeds[input.name] = ofBinary(input, body.subarray(at, end));
    at = end;
  }
  return feeds;
}

const datatypes: Readonly<Record<string, string>> = { float32: 'FP32', int64: 'INT64', string: 'BYTES' };

function inJson(outputs: InferenceSession.OnnxValueMapType) {
  return {
    model_name: 'model',
    model_version: '1',
    outputs: Object.entries(outputs).map(([name, { type, dims, data }]) => ({
      name,
      datatype: datatypes[type],
      shape: dims,
      data: data instanceof BigInt64Array ? Array.from(data, Number) : [...data],
    })),
  };
}

function inBinary(outputs: InferenceSession.OnnxValueMapType): { headLength: number; body: Buffer } {
  const parts: Buffer[] = [];
  const described = Object.entries(outputs).map(([name, { type, dims, data }]) => {
    if (!ArrayBuffer.isView(data)) throw new TypeError(`${name} has no bytes`);
    parts.push(Buffer.from(data.buffer, data.byteOffset, data.byteLength));
    return { name, datatype: datatypes[type], shape: dims, parameters: { binary_data_size: data.byteLength } };
  });
  const head = Buffer.from(JSON.stringify({ model_name: 'model', model_version: '1', outputs: described }));
  return { headLength: head.length, body: Buffer.concat([head, ...parts]) };
}

async function infer(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  const { body } = request;
  if (!Buffer.isBuffer(body)) return inJson(await session.run(feedsOf(body as JsonRequest)));
  const outputs = await session.run(feedsOfBinary(body, Number(request.headers['inference-header-content-length'])));
  const answer = inBinary(outputs);
  reply.header('inference-header-content-length', answer.headLength).type('application/octet-stream');
  return answer.body;
}

const app = Fastify();
app.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
app.post('/v2/models/model/infer', infer);
const address = await app.listen({ port: 0, host: '127.0.0.1' });
console.log(new URL(address).port);
// Ends with the program that started it.
process.stdin.on('end', () => process.exit(0)).resume();
