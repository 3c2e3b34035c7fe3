import type { NamedTensor, RunModel, TensorElements } from '../convert/verify/tensor.ts';

const ortTypes = [
  ['BOOL', 'bool'],
  ['UINT8', 'uint8'],
  ['INT8', 'int8'],
  ['UINT16', 'uint16'],
  ['INT16', 'int16'],
  ['UINT32', 'uint32'],
  ['UINT64', 'uint64'],
  ['INT32', 'int32'],
  ['INT64', 'int64'],
  ['FP16', 'float16'],
  ['FP32', 'float32'],
  ['FP64', 'float64'],
  ['BYTES', 'string'],
] as const;

const isTexts = (data: TensorElements): data is readonly string[] => Array.isArray(data);

/** ONNX Runtime in the process of a test, for models the test itself trusts. */
export async function testRuntime(): Promise<RunModel> {
  const { InferenceSession, Tensor } = await import('onnxruntime-node');
  return async (model, inputs) => {
    const session = await InferenceSession.create(model, { logSeverityLevel: 4 });
    const feeds = Object.fromEntries(
      inputs.map(({ name, datatype, data, shape }) => {
        const type = ortTypes.find(([known]) => known === datatype)?.[1] ?? 'string';
        const texts = type === 'string' || isTexts(data);
        return [name, texts ? new Tensor('string', isTexts(data) ? data : [], shape) : new Tensor(type, data, shape)];
      }),
    );
    const results = await session.run(feeds);
    const answers = Object.entries(results).map(([name, { type, dims, data }]): NamedTensor => {
      const datatype = ortTypes.find(([, ortType]) => ortType === type)?.[0];
      if (datatype === undefined) throw new Error(`no test needs ${type}`);
      return { name, datatype, shape: dims, data };
    });
    await session.release();
    return answers;
  };
}
