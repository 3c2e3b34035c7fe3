import { transposeRaw } from '../simplify/rearrange.ts';
import { clipRange, type FusedActivation, isQuantized, type OperatorCall, type TfliteHandler } from './lowering.ts';
import type { Quantization, TfliteTensor } from './read-tflite.ts';

const toChannelsFirst = BigInt64Array.of(0n, 3n, 1n, 2n);
const toChannelsLast = BigInt64Array.of(0n, 2n, 3n, 1n);

function channelsFirst(call: OperatorCall, value: string): string {
  return call.graph.op('Transpose', [value], { perm: toChannelsFirst });
}

function channelsLast(call: OperatorCall, value: string): string {
  return call.graph.op('Transpose', [value], { perm: toChannelsLast });
}

const pair = (a: number, b: number): BigInt64Array => BigInt64Array.of(BigInt(a), BigInt(b));

interface Window {
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly dilation: readonly [number, number];
  readonly isSame: boolean;
}

/** The padding of a window, computed where the source fixes the size, left to the runtime where it does not. */
function padding(call: OperatorCall, window: Window): Record<string, BigInt64Array | string> {
  if (!window.isSame) return {};
  if (!call.isFixed(0, 1) || !call.isFixed(0, 2)) {
    if (window.dilation.some(step => step > 1))
      throw call.refuse('pads a dilated window of an input whose size is open');
    return { auto_pad: 'SAME_UPPER' };
  }
  const sides = ([0, 1] as const).map(i =>
    samePadding(call.size(0, i + 1), window.kernel[i], window.stride[i], window.dilation[i]),
  );
  return { pads: BigInt64Array.from([...sides.map(side => side[0]), ...sides.map(side => side[1])], BigInt) };
}

/** TensorFlow's SAME: as many windows as size / stride rounded up; the odd element goes to the end. */
function samePadding(size: number, kernel: number, stride: number, dilation: number): readonly [number, number] {
  const windows = Math.ceil(size / stride);
  const total = Math.max(0, (windows - 1) * stride + (kernel - 1) * dilation + 1 - size);
  const begin = Math.floor(total / 2);
  return [begin, total - begin];
}

function strides(call: OperatorCall, width: number, height: number, otherwise = 0): readonly [number, number] {
  const found = [call.options.int32(height, otherwise), call.options.int32(width, otherwise)] as const;
  if (!(found[0] >= 1 && found[1] >= 1)) throw call.damaged(`has the stride or size ${found.join(' x ')}`);
  return found;
}

/** Weights with their dimensions in another order, permuted here when they are constant. */
function orderedWeights(call: OperatorCall, input: number, order: readonly number[]): string {
  const constant = call.constant(input);
  if (constant === undefined)
    return call.graph.op('Transpose', [call.stored(input)], { perm: BigInt64Array.from(order, BigInt) });
  const dims = constant.tensor.shape;
  const elements = dims.reduce((product, size) => product * size, 1);
  const moved = transposeRaw(constant.bytes, dims, order, elements === 0 ? 1 : constant.bytes.length / elements);
  return call.to.emitConstant(
    constant,
    order.map(axis => dims[axis]!),
    moved,
  );
}

/** Stored integers as whole real numbers with their zero point taken off; `axis` is where a per-slice one applies. */
function centred(call: OperatorCall, stored: string, tensor: TfliteTensor, rank: number, axis: number): string {
  const { zeroPoints } = requireQuantization(call, tensor);
  // Weights stay small in the file: a cast of a constant would be folded, this is not.
  if (tensor.bytes !== undefined) {
    const one = { scales: zeroPoints.map(() => 1), zeroPoints, axis };
    return call.to.dequantized(stored, tensor, one, axis);
  }
  const value = call.graph.cast(stored, 'float');
  if (zeroPoints.every(zero => zero === 0)) return value;
  const shape = zeroPoints.length === 1 ? [] : alongAxis(zeroPoints.length, rank, axis);
  return call.graph.op('Sub', [value, call.graph.constant('float', shape, zeroPoints)]);
}

function alongAxis(length: number, rank: number, axis: number): number[] {
  return Array.from({ length: rank }, (_, i) => (i === axis ? length : 1));
}

function requireQuantization(call: OperatorCall, tensor: TfliteTensor): Quantization {
  if (tensor.quantization === undefined) throw call.damaged(`has integers without a scale in "${tensor.name}"`);
  return tensor.quantization;
}

/** Whether an operator sums products of integers, as opposed to real numbers. */
function isIntegerProduct(call: OperatorCall, input: number, weights: number): boolean {
  return isQuantized(call.tensor(input)) && isQuantized(call.tensor(weights)) && isQuantized(call.output());
}

/**
 * Sums of integer products, brought to the output's steps and rounded. The sums are exact in float up to 2^24, on
 * every machine; a fused integer kernel would saturate on processors without VNNI.
 * @param outputAxis dimension of the output that the weights' scales go along
 */
function requantized(
  call: OperatorCall,
  sums: string,
  weights: TfliteTensor,
  rank: number,
  outputAxis: number,
  activation: FusedActivation,
): void {
  const { graph } = call;
  const output = call.output();
  const [input, weight, out] = [call.tensor(call.operator.name === 'TRANSPOSE_CONV' ? 2 : 0), weights, output].map(
    tensor => requireQuantization(call, tensor),
  ) as [Quantization, Quantization, Quantization];
  const [inputScale, outputScale, zero] = [input.scales[0]!, out.scales[0]!, out.zeroPoints[0]!];
  const factors = weight.scales.map(scale => (inputScale * scale) / outputScale);
  const shape = factors.length === 1 ? [] : alongAxis(factors.length, rank, outputAxis);
  let steps = graph.op('Mul', [sums, graph.constant('float', shape, factors)]);
  const range = clipRange(activation);
  if (activation === 'tanh') throw call.refuse('fuses tanh into integer arithmetic');
  if (range !== undefined) {
    const bound = (limit: number): number => (Number.isFinite(limit) ? Math.round(limit / outputScale) : 65536);
    steps = graph.op('Clip', [steps, call.number(bound(range[0])), call.number(bound(range[1]))]);
  }
  const stored = graph.op('QuantizeLinear', [
    steps,
    call.number(1),
    graph.constant(call.to.requireType(output), [], [zero]),
  ]);
  call.storedResult(stored);
}

/** Adds a bias of integers (in the scale of the sums) or real numbers along the last dimension of `sums`. */
function biasValue(call: OperatorCall, input: number, isInteger: boolean): string | undefined {
  if (!call.hasInput(input)) return undefined;
  return isInteger ? call.graph.cast(call.stored(input), 'float') : call.value(input);
}

function convolve(call: OperatorCall): void {
  const { graph, options } = call;
  const isDepthwise = call.operator.name === 'DEPTHWISE_CONV_2D';
  const weights = call.tensor(1);
  if (weights.shape.length !== 4 || call.rank(0) !== 4) throw call.damaged('does not have four dimensions');
  const [first, height, width, last] = weights.shape as [number, number, number, number];
  const channels = call.size(0, 3);
  const window: Window = {
    kernel: [height, width],
    stride: strides(call, 1, 2),
    dilation: isDepthwise ? strides(call, 5, 6, 1) : strides(call, 4, 5, 1),
    isSame: options.int8(0) === 0,
  };
  const groups = isDepthwise ? channels : channels / last;
  if (!Number.isInteger(groups) || groups < 1 || (isDepthwise && (last % channels !== 0 || first !== 1)))
    throw call.damaged(`has weights of shape [${weights.shape.join(', ')}] for ${channels} channels`);
  const activation = call.activation(isDepthwise ? 4 : 3);
  const isInteger = isIntegerProduct(call, 0, 1);
  // Depthwise weights are [1, height, width, channels], others [output, height, width, input].
  const order = isDepthwise ? [3, 0, 1, 2] : [0, 3, 1, 2];
  const stored = orderedWeights(call, 1, order);
  const x = isInteger ? centred(call, call.stored(0), call.tensor(0), 4, 3) : call.value(0);
  const w = isInteger ? centred(call, stored, weights, 4, 0) : realWeights(call, stored, weights);
  const bias = biasValue(call, 2, isInteger);
  const sums = channelsLast(
    call,
    graph.op('Conv', [channelsFirst(call, x), w, ...(bias === undefined ? [] : [bias])], {
      kernel_shape: pair(height, width),
      strides: pair(...window.stride),
      dilations: pair(...window.dilation),
      group: BigInt(groups),
      ...padding(call, window),
    }),
  );
  if (isInteger) requantized(call, sums, weights, 4, 3, activation);
  else call.result(sums, activation);
}

/** Weights as real numbers; per-slice scales lie along the first dimension once ordered. */
function realWeights(call: OperatorCall, stored: string, weights: TfliteTensor): string {
  if (weights.type === 'FLOAT16') return call.graph.cast(stored, 'float');
  if (!isQuantized(weights)) return stored;
  if (
    isQuantized(call.to.tensor(call.index(1))) &&
    !isQuantized(call.tensor(call.operator.name === 'TRANSPOSE_CONV' ? 2 : 0))
  )
    call.to.context.notes.add(
      'Weights are stored as small integers for inputs of real numbers: TFLite rounds such inputs on the fly, the converted model does not, so it is nearer to the model before quantisation.',
    );
  return call.to.dequantized(stored, weights, requireQuantization(call, weights), 0);
}

function transposeConvolve(call: OperatorCall): void {
  const { graph, options } = call;
  const weights = call.tensor(1);
  if (weights.shape.length !== 4 || call.rank(2) !== 4) throw call.damaged('does not have four dimensions');
  const [outputs, height, width] = weights.shape as [number, number, number, number];
  const size = call.ints(0);
  const stride = strides(call, 1, 2);
  const kernel = [height, width] as const;
  const isSame = options.int8(0) === 0;
  const sides = ([0, 1] as const).map(i => {
    const full = (call.size(2, i + 1) - 1) * stride[i] + kernel[i];
    const wanted = size[i + 1] ?? 0;
    if (!(wanted >= 1)) throw call.damaged(`asks for an output of ${size.join(' x ')}`);
    const total = isSame ? Math.max(0, full - wanted) : 0;
    const begin = Math.floor(total / 2);
    // What is cut at the end, or added when negative.
    return { begin, end: full - wanted - begin };
  });
  const isInteger = isIntegerProduct(call, 2, 1);
  const stored = orderedWeights(call, 1, [3, 0, 1, 2]);
  const x = isInteger ? centred(call, call.stored(2), call.tensor(2), 4, 3) : call.value(2);
  if (!isInteger && (weights.quantization?.scales.length ?? 1) > 1 && isQuantized(weights))
    throw call.refuse('has weights with a scale per channel for an input of real numbers');
  const w = isInteger ? centred(call, stored, weights, 4, 1) : realWeights(call, stored, weights);
  let sums = graph.op('ConvTranspose', [channelsFirst(call, x), w], {
    kernel_shape: pair(height, width),
    strides: pair(...stride),
    pads: BigInt64Array.from([...sides.map(side => side.begin), ...sides.map(side => Math.max(0, side.end))], BigInt),
  });
  if (sides.some(side => side.end < 0)) {
    const [top, left] = sides.map(side => Math.max(0, -side.end)) as [number, number];
    sums = graph.op('Pad', [sums, graph.ints(0, 0, 0, 0, 0, 0, top, left)]);
  }
  sums = channelsLast(call, sums);
  const bias = biasValue(call, 3, isInteger);
  if (bias !== undefined) sums = graph.op('Add', [sums, bias]);
  if (outputs < 1) throw call.damaged('has no output channel');
  const activation = call.activation(3);
  if (isInteger) requantized(call, sums, weights, 4, 3, activation);
  else call.result(sums, activation);
}

function pool(call: OperatorCall): void {
  const { graph, options } = call;
  const kind = call.operator.name;
  const window: Window = {
    kernel: strides(call, 3, 4),
    stride: strides(call, 1, 2),
    dilation: [1, 1],
    isSame: options.int8(0) === 0,
  };
  const activation = call.activation(5);
  const attributes = {
    kernel_shape: pair(...window.kernel),
    strides: pair(...window.stride),
    ...padding(call, window),
  };
  const input = call.tensor(0);
  const pooled = (opType: string, value: string): string =>
    channelsLast(call, graph.op(opType, [channelsFirst(call, value)], attributes));
  if (kind === 'MAX_POOL_2D') {
    if (activation === 'none' && call.isSameScale(0) && input.type !== 'INT16')
      call.storedResult(pooled('MaxPool', call.stored(0)));
    else call.result(pooled('MaxPool', call.value(0)), activation);
    return;
  }
  if (kind === 'L2_POOL_2D') {
    const x = call.value(0);
    call.result(graph.op('Sqrt', [pooled('AveragePool', graph.op('Mul', [x, x]))]), activation);
    return;
  }
  if (!isQuantized(input) || !call.isSameScale(0) || activation === 'tanh') {
    call.result(pooled('AveragePool', call.value(0)), activation);
    return;
  }
  // Integer averages end in halves often; TFLite rounds them away from zero.
  const mean = pooled('AveragePool', graph.cast(call.stored(0), 'float'));
  const rounded = graph.op('Mul', [
    graph.op('Sign', [mean]),
    graph.op('Floor', [graph.op('Add', [graph.op('Abs', [mean]), call.number(0.5)])]),
  ]);
  const { scales, zeroPoints } = requireQuantization(call, input);
  const range = clipRange(activation);
  const bound = (limit: number): number =>
    Number.isFinite(limit) ? Math.round(limit / scales[0]!) + zeroPoints[0]! : 65536;
  const clipped =
    range === undefined
      ? rounded
      : graph.op('Clip', [rounded, call.number(bound(range[0])), call.number(bound(range[1]))]);
  call.storedResult(graph.cast(clipped, call.to.requireType(input)));
}

function fullyConnected(call: OperatorCall): void {
  const { graph, options } = call;
  const weights = call.tensor(1);
  const [outputs, width] = weights.shape;
  if (weights.shape.length !== 2 || outputs === undefined || width === undefined || width < 1)
    throw call.damaged('has weights that are no matrix');
  if (options.int8(1) !== 0) throw call.refuse('has weights in a shuffled order');
  const keepsDimensions = options.bool(2);
  const isInteger = isIntegerProduct(call, 0, 1);
  const activation = call.activation(0);
  const input = call.tensor(0);
  const stored = call.stored(1);
  let x = isInteger ? centred(call, call.stored(0), input, 2, 1) : call.value(0);
  const w = isInteger ? centred(call, stored, weights, 2, 0) : realWeights(call, stored, weights);
  const isMatrix = input.openShape.length === 2 && input.openShape[1] === width;
  const rank = keepsDimensions ? input.shape.length : 2;
  if (!isMatrix) x = graph.op('Reshape', [x, graph.ints(-1, width)]);
  const bias = biasValue(call, 2, isInteger);
  let sums = graph.op('Gemm', [x, w, ...(bias === undefined ? [] : [bias])], { transB: 1n });
  if (keepsDimensions && !isMatrix) {
    const lead = graph.op('Slice', [graph.op('Shape', [call.stored(0)]), graph.ints(0), graph.ints(rank - 1)]);
    sums = graph.op('Reshape', [sums, graph.op('Concat', [lead, graph.ints(outputs)], { axis: 0n })]);
  }
  if (isInteger) requantized(call, sums, weights, rank, rank - 1, activation);
  else call.result(sums, activation);
}

function batchMatmul(call: OperatorCall): void {
  const { graph, options } = call;
  const isInteger = isIntegerProduct(call, 0, 1);
  const operand = (input: number, isTransposed: boolean): string => {
    const tensor = call.tensor(input);
    const rank = tensor.shape.length;
    if (isInteger && (tensor.quantization?.scales.length ?? 1) > 1)
      throw call.refuse('has operands with a scale per slice');
    const value = isInteger ? centred(call, call.stored(input), tensor, rank, 0) : call.value(input);
    if (!isTransposed) return value;
    if (rank < 2) throw call.damaged('transposes a vector');
    const perm = Array.from({ length: rank }, (_, i) => BigInt(i < rank - 2 ? i : 2 * rank - 3 - i));
    return graph.op('Transpose', [value], { perm: BigInt64Array.from(perm) });
  };
  const product = graph.op('MatMul', [operand(0, options.bool(0)), operand(1, options.bool(1))]);
  if (isInteger) requantized(call, product, call.tensor(1), call.rank(0), 0, 'none');
  else call.result(product);
}

function localResponse(call: OperatorCall): void {
  const { graph, options } = call;
  const size = 2 * options.int32(0) + 1;
  if (!(size >= 1)) throw call.damaged('has a negative radius');
  const normalized = graph.op('LRN', [channelsFirst(call, call.value(0))], {
    size: BigInt(size),
    // ONNX divides alpha by the size of the window.
    alpha: options.float32(2) * size,
    beta: options.float32(3),
    bias: options.float32(1),
  });
  call.result(channelsLast(call, normalized));
}

export const convolutionOperators: Readonly<Record<string, TfliteHandler>> = {
  AVERAGE_POOL_2D: pool,
  BATCH_MATMUL: batchMatmul,
  CONV_2D: convolve,
  DEPTHWISE_CONV_2D: convolve,
  FULLY_CONNECTED: fullyConnected,
  L2_POOL_2D: pool,
  LOCAL_RESPONSE_NORMALIZATION: localResponse,
  MAX_POOL_2D: pool,
  TRANSPOSE_CONV: transposeConvolve,
};
