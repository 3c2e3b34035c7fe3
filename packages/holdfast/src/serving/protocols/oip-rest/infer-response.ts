import type { Signature, Tensor } from '@holdfast/api';
import { type ElementWriter, elementWriters } from '../../json/write-number.ts';
import { badRequest, Refusal } from '../../refusal.ts';
import { checkClassifiable, classify } from '../oip/classification.ts';
import type { Answer, EncodedAnswer } from '../protocol.ts';
import { writeBinary } from './binary-tensors.ts';
import type { InferRequest } from './infer-request.ts';

export interface PlannedOutput {
  readonly name: string;
  readonly isBinary: boolean;
  /** How many of the largest elements are answered instead of all; undefined answers the tensor itself. */
  readonly classes: number | undefined;
}

/** What to answer: which outputs, and which of them as bytes. */
export interface ResponsePlan {
  readonly id: string | undefined;
  readonly outputs: readonly PlannedOutput[];
}

/** @throws Refusal `bad_request` when an unknown output is asked for, or FP16 as JSON */
export function planResponse(
  request: InferRequest,
  model: string,
  { outputs }: Pick<Signature, 'outputs'>,
): ResponsePlan {
  const asked = request.outputs ?? outputs.map(({ name }) => ({ name, isBinary: undefined, classes: undefined }));
  return {
    id: request.id,
    outputs: asked.map(({ name, isBinary = request.isBinaryOutput, classes }) => {
      const spec = outputs.find(output => output.name === name);
      if (spec === undefined) throw badRequest(`unexpected inference output '${name}' for model '${model}'`);
      if (classes !== undefined) checkClassifiable(spec, model, classes);
      else if (spec.datatype === 'FP16' && !isBinary) {
        throw badRequest(
          `sending FP16 data via JSON is not supported. Please use the binary data format for output ${name}`,
        );
      }
      return { name, isBinary, classes };
    }),
  };
}

/** Elements written between two looks at the event loop. */
const sliceElements = 16_384;
const safeText = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

/** A JSON string; plain ASCII, by far the most common, without a call into the engine's serializer. */
function quote(text: string): string {
  return safeText.test(text) ? `"${text}"` : JSON.stringify(text);
}

function nextTurn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve));
}

function header({ name, datatype, shape }: Tensor): string {
  return `{"name":${quote(name)},"datatype":"${datatype}","shape":[${shape.join(',')}],`;
}

function writerOf({ name, datatype }: Tensor): ElementWriter {
  if (datatype === 'FP16') throw new Refusal('internal', `output '${name}' has no JSON form`);
  return elementWriters[datatype];
}

function head({ served, predictionId }: Answer, id: string | undefined): string {
  const own = id === undefined ? '{' : `{"id":${quote(id)},`;
  return `${own}"model_name":"${served.model}","model_version":"${served.version}","parameters":{"prediction_id":"${predictionId}"},"outputs":[`;
}

/** The tensor that answers a planned output. @throws Refusal `inference_failed` when the model did not give it */
export function outputOf(answer: Answer, { name, classes }: PlannedOutput): Tensor {
  const tensor = answer.outputs.find(output => output.name === name);
  if (tensor === undefined) throw new Refusal('inference_failed', `the model gave no output '${name}'`);
  return classes === undefined ? tensor : classify(tensor, classes, answer.served);
}

/** The answer as JSON or, where outputs are asked for as bytes, JSON followed by their bytes. */
export function writeResponse(answer: Answer, plan: ResponsePlan): EncodedAnswer | Promise<EncodedAnswer> {
  let text = head(answer, plan.id);
  let isAscii = plan.id === undefined;
  const binary: Buffer[] = [];
  for (let i = 0; i < plan.outputs.length; i++) {
    const planned = plan.outputs[i]!;
    const { name, isBinary } = planned;
    const tensor = outputOf(answer, planned);
    if (i > 0) text += ',';
    if (isBinary) {
      const bytes = writeBinary(tensor);
      binary.push(bytes);
      text += `${header(tensor)}"parameters":{"binary_data_size":${bytes.length}}}`;
      continue;
    }
    if (tensor.data.length > sliceElements) return writeLargeResponse(answer, plan);
    const elements = writerOf(tensor)(tensor.data, 0, tensor.data.length);
    if (tensor.datatype === 'BYTES' || !safeText.test(name)) isAscii = false;
    text += `${header(tensor)}"data":[${elements}]}`;
  }
  return finish(`${text}]}`, isAscii, binary);
}

/** The same, a slice of elements per turn of the event loop. */
async function writeLargeResponse(answer: Answer, plan: ResponsePlan): Promise<EncodedAnswer> {
  const parts = [Buffer.from(head(answer, plan.id))];
  const binary: Buffer[] = [];
  for (const [index, planned] of plan.outputs.entries()) {
    const { isBinary } = planned;
    const tensor = outputOf(answer, planned);
    const comma = index > 0 ? ',' : '';
    if (isBinary) {
      const bytes = writeBinary(tensor);
      binary.push(bytes);
      parts.push(Buffer.from(`${comma}${header(tensor)}"parameters":{"binary_data_size":${bytes.length}}}`));
      continue;
    }
    parts.push(Buffer.from(`${comma}${header(tensor)}"data":[`));
    const write = writerOf(tensor);
    const { data } = tensor;
    for (let from = 0; from < data.length; from += sliceElements) {
      const slice = write(data, from, Math.min(from + sliceElements, data.length));
      parts.push(Buffer.from(from === 0 ? slice : `,${slice}`));
      await nextTurn();
    }
    parts.push(Buffer.from(']}'));
  }
  parts.push(Buffer.from(']}'));
  return assemble(Buffer.concat(parts), binary);
}

function finish(text: string, isAscii: boolean, binary: readonly Buffer[]): EncodedAnswer {
  if (binary.every(({ length }) => length === 0)) return { contentType: 'application/json', body: text, isAscii };
  return assemble(Buffer.from(text, 'utf8'), binary);
}

function assemble(json: Buffer, binary: readonly Buffer[]): EncodedAnswer {
  const bytes = binary.reduce((sum, { length }) => sum + length, 0);
  if (bytes === 0) return { contentType: 'application/json', body: json };
  return {
    contentType: 'application/octet-stream',
    headers: ['Inference-Header-Content-Length', String(json.length)],
    body: Buffer.concat([json, ...binary], json.length + bytes),
  };
}
