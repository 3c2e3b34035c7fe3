import type { Datatype, Tensor, TensorData } from '@holdfast/api';
import { shortestFloat32 } from '../../json/write-number.ts';
import { Refusal } from '../../refusal.ts';
import type { Answer, EncodedAnswer } from '../protocol.ts';

type Writer = (data: TensorData, index: number) => string;

/** Shortest text that reads back, with `.0` on whole numbers unless in exponent form; NaN and Infinity bare. */
export function writeFloat(value: number): string {
  if (!Number.isInteger(value)) return String(value);
  if (value === 0 && 1 / value < 0) return '-0.0';
  const text = String(value);
  return text.includes('e') ? text : `${text}.0`;
}

const writeWhole: Writer = (data, i) => String(data[i]);
const writeBytes: Writer = (data, i) => `{"b64":"${Buffer.from(String(data[i])).toString('base64')}"}`;
const writers: Readonly<Partial<Record<Datatype, Writer>>> = {
  FP32: (data, i) => writeFloat(shortestFloat32(Number(data[i]))),
  FP64: (data, i) => writeFloat(Number(data[i])),
  BOOL: (data, i) => (data[i] === 0 ? 'false' : 'true'),
  BYTES: (data, i) => JSON.stringify(data[i]),
};

/** Writes elements of one tensor as numbers, words and text. */
export function plainWriterOf({ name, datatype }: Tensor): Writer {
  if (datatype === 'FP16')
    throw new Refusal('bad_request', `Output ${name} is of type half, which has no JSON form here.`);
  return writers[datatype] ?? writeWhole;
}

/** The same, with text as base64 when the tensor's name ends in `_bytes`. */
function writerOf(tensor: Tensor): Writer {
  return tensor.datatype === 'BYTES' && tensor.name.endsWith('_bytes') ? writeBytes : plainWriterOf(tensor);
}

/** The part of a tensor from element `at` that has the dimensions from `axis` on, as nested lists. */
function writePart(tensor: Tensor, write: Writer, axis: number, at: number): string {
  const { shape, data } = tensor;
  if (axis === shape.length) return write(data, at);
  let stride = 1;
  for (let i = axis + 1; i < shape.length; i++) stride *= shape[i]!;
  let text = '[';
  for (let i = 0; i < shape[axis]!; i++) {
    if (i > 0) text += ',';
    text += writePart(tensor, write, axis + 1, at + i * stride);
  }
  return `${text}]`;
}

function rowsOf(outputs: readonly Tensor[]): number {
  let rows = -1;
  for (const { name, shape } of outputs) {
    const own = shape[0] ?? 0;
    if (rows !== -1 && own !== rows) {
      throw new Refusal('bad_request', `Tensor name: ${name} has inconsistent batch size: ${own} expecting: ${rows}`);
    }
    rows = own;
  }
  return rows;
}

/** One output as nested lists, several as a list of objects, one per row. */
export function writeRows(outputs: readonly Tensor[], writer: (tensor: Tensor) => Writer): string {
  if (outputs.length === 1) return writePart(outputs[0]!, writer(outputs[0]!), 0, 0);
  const rows = rowsOf(outputs);
  const columns = outputs.map(tensor => ({
    key: JSON.stringify(tensor.name),
    tensor,
    write: writer(tensor),
    stride: tensor.data.length / Math.max(1, rows),
  }));
  let text = '[';
  for (let row = 0; row < rows; row++) {
    const cells = columns.map(
      ({ key, tensor, write, stride }) => `${key}:${writePart(tensor, write, 1, row * stride)}`,
    );
    text += `${row === 0 ? '' : ','}{${cells.join(',')}}`;
  }
  return `${text}]`;
}

/** One output as nested lists, several as an object of them. */
export function writeColumns(outputs: readonly Tensor[], writer: (tensor: Tensor) => Writer): string {
  const [only] = outputs;
  if (only !== undefined && outputs.length === 1) return writePart(only, writer(only), 0, 0);
  const columns = outputs.map(tensor => `${JSON.stringify(tensor.name)}:${writePart(tensor, writer(tensor), 0, 0)}`);
  return `{${columns.join(',')}}`;
}

/** The answer in the form of the question. @throws Refusal when an output has no JSON form or no rows */
export function writePredictResponse({ outputs }: Answer, form: 'row' | 'column'): EncodedAnswer {
  const body =
    form === 'row'
      ? `{"predictions":${writeRows(outputs, writerOf)}}`
      : `{"outputs":${writeColumns(outputs, writerOf)}}`;
  return { contentType: 'application/json', body };
}
