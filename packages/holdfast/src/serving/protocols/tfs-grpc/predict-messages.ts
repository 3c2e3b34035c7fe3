import type { Signature, Tensor } from '@holdfast/api';
import { WireReader } from '../../grpc/wire-reader.ts';
import { WireWriter } from '../../grpc/wire-writer.ts';
import { badRequest } from '../../refusal.ts';
import type { Answer } from '../protocol.ts';
import { signatureName } from '../tfs-rest/predict-request.ts';
import type { ModelSpec } from './model-spec.ts';
import { readTensorProto, writeTensorProto } from './tensor-proto.ts';

/** A `PredictRequest` whose tensors are still views into the message. */
export interface PredictRequest {
  readonly spec: ModelSpec;
  readonly inputs: ReadonlyMap<string, WireReader>;
  readonly outputs: readonly string[];
}

function readSpec(reader: WireReader): ModelSpec {
  const spec: { -readonly [K in keyof ModelSpec]: ModelSpec[K] } = {
    name: '',
    version: undefined,
    label: undefined,
    signature: '',
  };
  for (let field = reader.nextField(); field !== 0; field = reader.nextField()) {
    if (field === 1) spec.name = reader.text();
    else if (field === 2) {
      spec.version = 0;
      const value = reader.nested();
      for (let inner = value.nextField(); inner !== 0; inner = value.nextField()) {
        if (inner === 1) spec.version = value.int64();
        else value.skip();
      }
    } else if (field === 3) spec.signature = reader.text();
    else if (field === 4) spec.label = reader.text();
    else reader.skip();
  }
  return spec;
}

/** @throws Refusal `bad_request` */
export function readPredictMessage(bytes: Buffer): PredictRequest {
  const reader = new WireReader(bytes);
  let spec: ModelSpec = { name: '', version: undefined, label: undefined, signature: '' };
  const inputs = new Map<string, WireReader>();
  const outputs: string[] = [];
  for (let field = reader.nextField(); field !== 0; field = reader.nextField()) {
    if (field === 1) spec = readSpec(reader.nested());
    else if (field === 2) {
      const entry = reader.nested();
      let name = '';
      let value = new WireReader(bytes, 0, 0);
      for (let inner = entry.nextField(); inner !== 0; inner = entry.nextField()) {
        if (inner === 1) name = entry.text();
        else if (inner === 2) value = entry.nested();
        else entry.skip();
      }
      inputs.set(name, value);
    } else if (field === 3) outputs.push(reader.text());
    else reader.skip();
  }
  return { spec, inputs, outputs };
}

function braced(names: readonly string[]): string {
  return `{${names.toSorted().join(',')}}`;
}

/** @throws Refusal `bad_request` in TensorFlow Serving's words */
export function inputsOf({ inputs }: PredictRequest, model: string, signature: Pick<Signature, 'inputs'>): Tensor[] {
  const given = [...inputs.keys()];
  const known = signature.inputs.map(({ name }) => name);
  const extra = given.filter(name => !known.includes(name));
  const missing = signature.inputs
    .filter(({ name, optional }) => !optional && !inputs.has(name))
    .map(({ name }) => name);
  if (extra.length > 0 || missing.length > 0) {
    throw badRequest(
      `input size does not match signature: ${given.length}!=${known.length} len(${braced(given)}) != len(${braced(known)}). ` +
        `Sent extra: ${braced(extra)}. Missing but required: ${braced(missing)}.`,
    );
  }
  return signature.inputs.flatMap(({ name }) => {
    const value = inputs.get(name);
    return value === undefined ? [] : [readTensorProto(value, name, model)];
  });
}

/** @throws Refusal `bad_request` for an output that there is not, or twice */
export function checkOutputs({ outputs }: PredictRequest, signature: Pick<Signature, 'outputs'>): void {
  const known = signature.outputs.map(({ name }) => name);
  for (const [index, name] of outputs.entries()) {
    if (outputs.indexOf(name) !== index) throw badRequest(`duplicate output tensor alias: ${name}`);
    if (!known.includes(name)) {
      throw badRequest(
        `output tensor alias not found in signature: ${name} Outputs expected to be in the set ${braced(known)}.`,
      );
    }
  }
}

export function writePredictMessage({ served, outputs }: Answer, asked: readonly string[]): Buffer {
  const answered = asked.length === 0 ? outputs : outputs.filter(({ name }) => asked.includes(name));
  const bytes = answered.reduce((sum, { data }) => sum + (ArrayBuffer.isView(data) ? data.byteLength : 0), 512);
  const writer = new WireWriter(bytes);
  for (const tensor of answered) {
    writer.nested(1, () => {
      writer.text(1, tensor.name);
      writer.nested(2, () => writeTensorProto(writer, tensor));
    });
  }
  writer.nested(2, () => {
    writer.text(1, served.model);
    writer.nested(2, () => writer.unsigned(1, served.version));
    writer.text(3, signatureName);
  });
  return writer.finish();
}
