import { readFile } from 'node:fs/promises';
import type { Tensor, TensorData, TensorSpec } from '@holdfast/api';
import type { WarmUpConfig } from '../config/index.ts';
import { elementKindOf } from './element-kinds.ts';
import { maxGoldenElements, zeroElements } from './golden-inputs.ts';
import { type OrtSession, reasonOf } from './ort-session.ts';
import type { RunnerTarget } from './runner.ts';

type WarmUpInput = WarmUpConfig['inputs'][string];

/** Warm-up is the same at every start. */
function createRandom(): () => number {
  let state = 0x2545f491;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

function randomElements(spec: TensorSpec, count: number, random: () => number): TensorData {
  const { array: Elements } = elementKindOf(spec.datatype);
  if (Elements === undefined) return Array.from({ length: count }, () => Math.floor(random() * 1e6).toString(36));
  const elements = new Elements(new ArrayBuffer(count * Elements.BYTES_PER_ELEMENT), 0, count);
  // Halves are raw bits: 0x3800 to 0x3bff are the numbers from 0.5 to 1.
  const isHalf = spec.datatype === 'FP16';
  for (let i = 0; i < count; i++) {
    const value = random();
    if (elements instanceof BigInt64Array || elements instanceof BigUint64Array)
      elements[i] = BigInt(value < 0.5 ? 0 : 1);
    else if (isHalf) elements[i] = 0x3800 + Math.floor(value * 0x400);
    else elements[i] = spec.datatype === 'FP32' || spec.datatype === 'FP64' ? value : Math.round(value);
  }
  return elements;
}

/** @throws Error when the bytes are not `count` elements */
function elementsOf(spec: TensorSpec, count: number, bytes: Uint8Array): TensorData {
  const { array: Elements } = elementKindOf(spec.datatype);
  if (Elements !== undefined) {
    const expected = count * Elements.BYTES_PER_ELEMENT;
    if (bytes.byteLength !== expected) throw new Error(`it has ${bytes.byteLength} bytes instead of ${expected}`);
    return new Elements(new Uint8Array(bytes).buffer, 0, count);
  }
  const texts: string[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const decoder = new TextDecoder('utf-8', { fatal: true });
  for (let at = 0; at + 4 <= bytes.byteLength; ) {
    const end = at + 4 + view.getUint32(at, true);
    if (end > bytes.byteLength) throw new Error('a text goes beyond its end');
    texts.push(decoder.decode(bytes.subarray(at + 4, end)));
    at = end;
  }
  if (texts.length !== count) throw new Error(`it has ${texts.length} texts instead of ${count}`);
  return texts;
}

async function tensorOf(
  spec: TensorSpec,
  rows: number,
  wanted: WarmUpInput | undefined,
  random: () => number,
): Promise<Tensor> {
  const { name, datatype } = spec;
  const shape = wanted?.shape ?? spec.shape.map((dim, i) => (dim === -1 ? (i === 0 ? rows : 1) : dim));
  const count = shape.reduce((product, dim) => product * dim, 1);
  if (count > maxGoldenElements) throw new Error(`the input "${name}" has more than ${maxGoldenElements} elements`);
  if (wanted?.file !== undefined) {
    try {
      return { name, datatype, shape, data: elementsOf(spec, count, await readFile(wanted.file)) };
    } catch (error) {
      throw new Error(`the file of the input "${name}": ${reasonOf(error)}`);
    }
  }
  if (wanted?.values === 'random') return { name, datatype, shape, data: randomElements(spec, count, random) };
  return { name, datatype, shape, data: zeroElements(spec, count) };
}

/**
 * Runs the requests that were declared for the version.
 * @throws Error when one of them cannot be made or is not answered: the version is then not served
 */
export async function runDeclaredWarmUp(session: OrtSession, { signature, warmUp = [] }: RunnerTarget): Promise<void> {
  const random = createRandom();
  for (const [index, { rows, count, inputs }] of warmUp.entries()) {
    const unknown = Object.keys(inputs).find(name => signature.inputs.every(spec => spec.name !== name));
    try {
      if (unknown !== undefined) throw new Error(`there is no input "${unknown}"`);
      const asked = signature.inputs.filter(({ name, optional }) => !optional || inputs[name] !== undefined);
      const tensors: Tensor[] = [];
      for (const spec of asked) tensors.push(await tensorOf(spec, rows, inputs[spec.name], random));
      for (let i = 0; i < count; i++) await session.run(tensors);
    } catch (error) {
      throw new Error(`warm-up request ${index + 1}: ${reasonOf(error)}`);
    }
  }
}
