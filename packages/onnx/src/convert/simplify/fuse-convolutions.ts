import { buildTensor } from '../../model/build.ts';
import { dataType, type NodeProto, type TensorProto } from '../../model/proto.ts';
import { elementsOf } from './evaluate-arithmetic.ts';
import { withInputs } from './fold-constants.ts';
import { dimsOf, findAttribute, type GraphState, intAttribute, sizeOf, withRaw } from './graph-state.ts';

/** One number per output channel: y = x * scale + shift. */
interface ChannelAffine {
  readonly scale: Float64Array | undefined;
  readonly shift: Float64Array | undefined;
}

/**
 * Takes batch normalisation and per-channel factors and offsets that follow a convolution into its weights, computed
 * in float64 and rounded once.
 */
export function fuseConvolutions(state: GraphState): void {
  const uses = new Map<string, number>();
  for (const node of state.nodes) for (const name of node.inputs) uses.set(name, (uses.get(name) ?? 0) + 1);
  const kept: NodeProto[] = [];
  const convolutions = new Map<string, number>();
  for (const node of state.nodes) {
    const [output = ''] = node.outputs;
    const at = node.inputs.map(name => convolutions.get(name)).find(index => index !== undefined);
    const convolution = at === undefined ? undefined : kept[at];
    const source = convolution?.outputs[0] ?? '';
    if (at !== undefined && convolution !== undefined && uses.get(source) === 1 && !state.pinned.has(source)) {
      const channels = outputChannels(state, convolution);
      const affine = channels === undefined ? undefined : channelAffine(state, node, convolution, channels);
      const fused = affine === undefined ? undefined : fuse(state, convolution, affine);
      if (fused !== undefined) {
        kept[at] = { ...fused, outputs: [output] };
        convolutions.delete(source);
        convolutions.set(output, at);
        continue;
      }
    }
    if ((node.opType === 'Conv' || node.opType === 'ConvTranspose') && node.domain === '')
      convolutions.set(output, kept.length);
    kept.push(node);
  }
  state.nodes = kept;
}

function outputChannels(state: GraphState, node: NodeProto): number | undefined {
  const weight = state.constants.get(node.inputs[1] ?? '');
  if (weight === undefined || weight.dataType !== dataType.float || weight.dims.length < 3) return undefined;
  if (node.opType === 'ConvTranspose' && intAttribute(node, 'group', 1) !== 1) return undefined;
  return Number(weight.dims[node.opType === 'Conv' ? 0 : 1]);
}

function channelAffine(
  state: GraphState,
  node: NodeProto,
  convolution: NodeProto,
  channels: number,
): ChannelAffine | undefined {
  const source = convolution.outputs[0];
  if (node.domain !== '' || source === undefined) return undefined;
  if (node.opType === 'BatchNormalization') return normalisation(state, node, source, channels);
  if (node.opType !== 'Add' && node.opType !== 'Mul' && node.opType !== 'Sub') return undefined;
  const other = node.inputs[0] === source ? node.inputs[1] : node.inputs[0];
  if (node.opType === 'Sub' && node.inputs[0] !== source) return undefined;
  const tensor = state.constants.get(other ?? '');
  const values = tensor === undefined ? undefined : perChannel(state, tensor, convolution, channels);
  if (values === undefined) return undefined;
  if (node.opType === 'Mul') return { scale: values, shift: undefined };
  return { scale: undefined, shift: node.opType === 'Sub' ? values.map(value => -value) : values };
}

function doubles(tensor: TensorProto | undefined): Float64Array | undefined {
  const values = tensor?.dataType === dataType.float ? elementsOf(tensor) : undefined;
  return values === undefined ? undefined : Float64Array.from(values, Number);
}

/** The constant as one number per channel: it must vary along axis 1 only and not widen the value. */
function perChannel(
  state: GraphState,
  tensor: TensorProto,
  convolution: NodeProto,
  channels: number,
): Float64Array | undefined {
  const dims = dimsOf(tensor);
  const rank = state.constants.get(convolution.inputs[1] ?? '')?.dims.length;
  if (rank === undefined || dims.length > rank) return undefined;
  const padded = [...new Array<number>(rank - dims.length).fill(1), ...dims];
  if (padded.some((dim, axis) => dim !== 1 && (axis !== 1 || dim !== channels))) return undefined;
  const values = doubles(tensor);
  if (values === undefined) return undefined;
  return sizeOf(dims) === channels ? values : new Float64Array(channels).fill(values[0] ?? 0);
}

function normalisation(
  state: GraphState,
  node: NodeProto,
  source: string,
  channels: number,
): ChannelAffine | undefined {
  if (node.inputs[0] !== source || node.outputs.length !== 1 || intAttribute(node, 'training_mode', 0) !== 0)
    return undefined;
  const [gamma, beta, mean, variance] = node.inputs.slice(1).map(name => doubles(state.constants.get(name)));
  if (gamma === undefined || beta === undefined || mean === undefined || variance === undefined) return undefined;
  if ([gamma, beta, mean, variance].some(values => values.length !== channels)) return undefined;
  const epsilon = findAttribute(node, 'epsilon')?.f ?? 1e-5;
  const scale = gamma.map((value, i) => value / Math.sqrt(variance[i]! + epsilon));
  return { scale, shift: beta.map((value, i) => value - mean[i]! * scale[i]!) };
}

function fuse(state: GraphState, node: NodeProto, affine: ChannelAffine): NodeProto | undefined {
  const weight = state.constants.get(node.inputs[1] ?? '');
  const channels = outputChannels(state, node);
  if (weight === undefined || channels === undefined) return undefined;
  const bias =
    (node.inputs[2] ?? '') === '' ? new Float64Array(channels) : doubles(state.constants.get(node.inputs[2] ?? ''));
  if (bias === undefined || bias.length !== channels) return undefined;
  const { scale, shift } = affine;
  const newBias = Float32Array.from(bias, (value, i) => value * (scale?.[i] ?? 1) + (shift?.[i] ?? 0));
  let weightName = node.inputs[1] ?? '';
  if (scale !== undefined) {
    // Weights of Conv are [out, in, ...]; those of ConvTranspose are [in, out, ...].
    const inner = sizeOf(dimsOf(weight).slice(node.opType === 'Conv' ? 1 : 2));
    const scaled = elementsOf(weight);
    if (!(scaled instanceof Float32Array)) return undefined;
    for (let i = 0; i < scaled.length; i++) scaled[i] = scaled[i]! * scale[Math.floor(i / inner) % channels]!;
    if (!scaled.every(Number.isFinite)) return undefined;
    weightName = state.fresh(`${weightName}_scaled`);
    const raw = new Uint8Array(scaled.buffer);
    state.constants.set(weightName, { ...withRaw(weight, dimsOf(weight), raw), name: weightName });
  }
  if (!newBias.every(Number.isFinite)) return undefined;
  const biasName = state.fresh(`${node.outputs[0]}_bias`);
  state.constants.set(biasName, buildTensor(biasName, 'float', [channels], newBias));
  return withInputs({ ...node, inputs: [...node.inputs.slice(0, 2), ''] }, [
    node.inputs[0] ?? '',
    weightName,
    biasName,
  ]);
}
