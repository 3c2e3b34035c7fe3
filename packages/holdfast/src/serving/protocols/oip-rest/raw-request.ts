import { elementBytes, elementCount, type Signature, type Tensor } from '@holdfast/api';
import { badRequest } from '../../refusal.ts';
import { readBinary } from './binary-tensors.ts';
import type { InferRequest } from './infer-request.ts';

/** The shape of a whole-body tensor: one row, and at most one variable dimension, which the size decides. */
function deduceShape(name: string, declared: readonly number[], elements: number): number[] {
  const shape = declared.map((dim, axis) => (axis === 0 && dim === -1 ? 1 : dim));
  const variable = shape.filter(dim => dim === -1).length;
  if (variable > 1) {
    throw badRequest(
      `The shape of the raw input '${name}' can not be deduced because there are more than one variable-sized dimension`,
    );
  }
  if (variable === 0) return shape;
  const known = elementCount(shape.filter(dim => dim !== -1));
  return shape.map(dim => (dim === -1 ? Math.floor(elements / known) : dim));
}

/**
 * A raw request: the whole body is the single input of the model, one row of it; all outputs are answered binary.
 * @throws Refusal `bad_request`
 */
export function readRawRequest(body: Buffer, model: string, { inputs }: Pick<Signature, 'inputs'>): InferRequest {
  const spec = inputs[0];
  if (spec === undefined || inputs.length !== 1) {
    throw badRequest(
      `Raw request must only have 1 input (found 1) to be deduced but got ${inputs.length} inputs in '${model}' model configuration`,
    );
  }
  const { name, datatype } = spec;
  let tensor: Tensor;
  if (datatype === 'BYTES') {
    const shape = spec.shape.map(dim => (dim === -1 ? 1 : dim));
    if (elementCount(shape) !== 1) {
      throw badRequest(`For BYTE datatype raw input '${name}', the model must have input shape [1]`);
    }
    const length = Buffer.allocUnsafe(4);
    length.writeUInt32LE(body.length);
    tensor = {
      name,
      datatype,
      shape,
      data: readBinary(Buffer.concat([length, body]), datatype, 1, { input: name, model }),
    };
  } else {
    const shape = deduceShape(name, spec.shape, body.length / elementBytes[datatype]);
    tensor = { name, datatype, shape, data: readBinary(body, datatype, elementCount(shape), { input: name, model }) };
  }
  return {
    id: undefined,
    inputs: [tensor],
    outputs: undefined,
    isBinaryOutput: true,
    queueTimeoutMs: undefined,
    priority: undefined,
    sequence: undefined,
  };
}
