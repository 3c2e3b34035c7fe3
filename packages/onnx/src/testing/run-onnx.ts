import { InferenceSession, Tensor } from 'onnxruntime-node';

/** Builds the tensor an input asks for from plain numbers. */
function tensorOf(type: string, values: ArrayLike<number>, dims: readonly number[]): Tensor {
  switch (type) {
    case 'float32':
      return new Tensor('float32', Float32Array.from(values), dims);
    case 'float64':
      return new Tensor('float64', Float64Array.from(values), dims);
    case 'int8':
      return new Tensor('int8', Int8Array.from(values), dims);
    case 'uint8':
      return new Tensor('uint8', Uint8Array.from(values), dims);
    case 'int16':
      return new Tensor('int16', Int16Array.from(values), dims);
    case 'int32':
      return new Tensor('int32', Int32Array.from(values), dims);
    case 'int64':
      return new Tensor('int64', BigInt64Array.from(Array.from(values, BigInt)), dims);
    case 'bool':
      return new Tensor('bool', Uint8Array.from(values), dims);
    default:
      throw new TypeError(`no test tensor of type ${type}`);
  }
}

/**
 * Runs a model on plain numbers, one list per input in the model's order.
 * @param shapes of the inputs where the model leaves sizes open
 */
export async function runOnnx(
  model: Uint8Array,
  inputs: readonly ArrayLike<number>[],
  shapes: readonly (readonly number[])[] = [],
): Promise<{ readonly name: string; readonly dims: readonly number[]; readonly data: number[] }[]> {
  const session = await InferenceSession.create(model, { logSeverityLevel: 4, intraOpNumThreads: 1 });
  const feeds = Object.fromEntries(
    session.inputNames.map((name, i) => {
      const meta = session.inputMetadata[i];
      if (meta === undefined || !meta.isTensor) throw new TypeError(`input ${name} is no tensor`);
      return [name, tensorOf(meta.type, inputs[i] ?? [], shapes[i] ?? meta.shape.map(Number))];
    }),
  );
  const results = await session.run(feeds);
  await session.release();
  return session.outputNames.map(name => {
    const result = results[name];
    if (result === undefined || typeof result.data === 'string') throw new TypeError(`no output ${name}`);
    return { name, dims: result.dims, data: Array.from(result.data, Number) };
  });
}
