import type { GraphProto, NodeProto, TensorProto } from '../model/proto.ts';
import { integerValues } from '../model/tensor-values.ts';
import { OnnxError } from '../onnx-error.ts';
import { nodeLabel } from './check-graph.ts';

/** Trip counts above this cannot finish within any serving deadline, even with an empty body. */
const impossibleTrips = 1_000_000_000n;

/**
 * Judges one Loop node. A loop whose condition never changes and whose trip count is missing or astronomical is
 * refused; one that ends by its own condition can only be bounded by a time limit.
 * @returns true when the end of the loop depends on what happens at run time.
 * @throws OnnxError `endless_loop`
 */
export function checkLoop(node: NodeProto, constants: ReadonlyMap<string, TensorProto>): boolean {
  const [tripName = '', condName = ''] = node.inputs;
  const trips = constantInteger(constants.get(tripName));
  if (trips !== undefined && trips <= impossibleTrips) return false;
  const body = node.attributes.find(attribute => attribute.name === 'body')?.g;
  if (body === undefined) return true;
  const startsTrue = condName === '' || constantInteger(constants.get(condName)) === 1n;
  if (startsTrue && staysTrue(body) && (trips !== undefined || tripName === '')) {
    const label = nodeLabel(node);
    const count = trips === undefined ? 'without a trip count' : `for ${trips} trips`;
    throw new OnnxError(
      'endless_loop',
      `The Loop "${label}" runs ${count} and its condition never turns false; it would never end.`,
      { node: label, op: 'Loop' },
    );
  }
  return true;
}

function constantInteger(tensor: TensorProto | undefined): bigint | undefined {
  return tensor === undefined ? undefined : integerValues(tensor, 1)?.[0];
}

/** Whether the body's condition output is its condition input or a constant true, seen through Identity and Cast. */
function staysTrue(body: GraphProto): boolean {
  const constants = constantsOf(body);
  const condition = body.inputs[1]?.name;
  let name = body.outputs[0]?.name;
  for (let steps = 0; steps <= body.nodes.length && name !== undefined; steps++) {
    if (name === condition) return true;
    const constant = constants.get(name);
    if (constant !== undefined) return constantInteger(constant) === 1n;
    const wanted: string = name;
    const producer = body.nodes.find(node => node.outputs.includes(wanted));
    if (producer === undefined || (producer.opType !== 'Identity' && producer.opType !== 'Cast')) return false;
    name = producer.inputs[0];
  }
  return false;
}

/** The constants of a graph by name: initialisers that no caller can override, and Constant nodes. */
export function constantsOf(graph: GraphProto): Map<string, TensorProto> {
  const constants = new Map<string, TensorProto>();
  const inputs = new Set(graph.inputs.map(input => input.name));
  for (const tensor of graph.initializers) if (!inputs.has(tensor.name)) constants.set(tensor.name, tensor);
  for (const node of graph.nodes) {
    const tensor = node.opType === 'Constant' ? node.attributes.find(item => item.name === 'value')?.t : undefined;
    if (tensor !== undefined && node.outputs[0] !== undefined) constants.set(node.outputs[0], tensor);
  }
  return constants;
}
