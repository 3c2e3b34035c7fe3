import type { OpRule } from '../op-call.ts';
import { dt } from '../tf-graph.ts';
import { fromChannelsFirst, isChannelsFirst, spatialAttribute, toChannelsFirst } from './layout.ts';
import { samePads } from './padding.ts';

const pool =
  (type: string, spatial: number): OpRule =>
  call => {
    const { name, dtype, shape } = call.tensor(0);
    if (dtype !== dt.float && dtype !== dt.half) return call.refuse('pooling is computed in float32 only');
    const kernel = spatialAttribute(call, 'ksize', spatial);
    const strides = spatialAttribute(call, 'strides', spatial);
    const isFirst = isChannelsFirst(call);
    const inputs = (isFirst ? shape?.slice(2) : shape?.slice(1, 1 + spatial)) ?? [];
    const padding = samePads(call, kernel, inputs, strides, new Array<number>(spatial).fill(1));
    // Averages leave padding out of the count in both formats.
    const result = call.widened([name], dtype, ([x = '']) =>
      fromChannelsFirst(
        call,
        call.op(type, [toChannelsFirst(call, x, spatial)], {
          ...padding.attributes,
          kernel_shape: kernel.map(BigInt),
          strides: strides.map(BigInt),
        }),
        spatial,
      ),
    );
    const channels = shape?.[isFirst ? 1 : spatial + 1] ?? null;
    const batch = shape?.[0] ?? null;
    return call.like(result, isFirst ? [batch, channels, ...padding.sizes] : [batch, ...padding.sizes, channels]);
  };

/** Normalisation over neighbouring channels; ONNX divides alpha by the window, TensorFlow does not. */
const localResponse: OpRule = call => {
  const { name, dtype, shape } = call.tensor(0);
  const size = 2 * call.int('depth_radius', 5) + 1;
  const result = call.widened([name], dtype, ([x = '']) => {
    const normal = call.op('LRN', [call.transpose(x, [0, 3, 1, 2])], {
      size: BigInt(size),
      alpha: call.float('alpha', 1) * size,
      beta: call.float('beta', 0.5),
      bias: call.float('bias', 1),
    });
    return call.transpose(normal, [0, 2, 3, 1]);
  });
  return call.like(result, shape);
};

/** Batch normalisation with given statistics; training computes its own and is refused. */
const batchNorm: OpRule = call => {
  const { name, dtype, shape } = call.tensor(0);
  if (call.flag('is_training', true))
    return call.refuse('it computes batch statistics (is_training); export the model for inference');
  const spatial = call.text('data_format', 'NHWC').length - 2;
  const statistics = [1, 2, 3, 4].map(i => call.in(i));
  const result = call.widened([name], dtype, ([x = '']) =>
    fromChannelsFirst(
      call,
      call.op('BatchNormalization', [toChannelsFirst(call, x, spatial), ...statistics], {
        epsilon: call.float('epsilon', 1e-4),
      }),
      spatial,
    ),
  );
  return [call.like(result, shape), call.tensor(3), call.tensor(4)];
};

const biasAdd: OpRule = call => {
  const { name, dtype, shape } = call.tensor(0);
  let bias = call.in(1);
  if (isChannelsFirst(call)) {
    const rank = call.rank(0) ?? 4;
    bias = call.op('Unsqueeze', [bias, call.w.ints(Array.from({ length: rank - 2 }, (_, i) => i + 1))]);
  }
  return call.like(
    call.widened([name, bias], dtype, names => call.op('Add', names)),
    shape,
  );
};

export const poolOps: readonly [string, OpRule][] = [
  ['MaxPool', pool('MaxPool', 2)],
  ['AvgPool', pool('AveragePool', 2)],
  ['MaxPool3D', pool('MaxPool', 3)],
  ['AvgPool3D', pool('AveragePool', 3)],
  ['LRN', localResponse],
  ['FusedBatchNorm', batchNorm],
  ['FusedBatchNormV2', batchNorm],
  ['FusedBatchNormV3', batchNorm],
  ['BiasAdd', biasAdd],
  ['BiasAddV1', biasAdd],
];
