import type { Signature, TensorSpec } from '@holdfast/api';

/** A request longer than this is no longer something to paste. */
const maximumElements = 200;

function exampleData(tensor: TensorSpec): readonly (number | string | boolean)[] | undefined {
  const elements = tensor.shape.reduce((product, dim) => product * Math.max(dim, 1), 1);
  if (elements > maximumElements || tensor.datatype === 'FP16') return undefined;
  const value = tensor.datatype === 'BYTES' ? 'text' : tensor.datatype === 'BOOL' ? true : 1;
  return Array.from({ length: elements }, () => value);
}

/** A one-row request of the Open Inference Protocol as a shell command; the model's metadata when a row is too long. */
export function exampleCurl(inferenceUrl: string, model: string, signature: Signature): string {
  const inputs = signature.inputs.map(tensor => {
    const data = exampleData(tensor);
    return (
      data && { name: tensor.name, datatype: tensor.datatype, shape: tensor.shape.map(dim => Math.max(dim, 1)), data }
    );
  });
  const url = `${inferenceUrl}/v2/models/${model}`;
  if (inputs.some(input => input === undefined)) return `curl ${url}`;
  return `curl -s ${url}/infer -d '${JSON.stringify({ inputs }).replaceAll("'", "'\\''")}'`;
}
