export { toOpset } from '../opset/to-opset.ts';
export { floatWeightsLeft } from './channel-weights.ts';
export { toFloat16 } from './half-precision.ts';
export { quantizeDynamic } from './quantize-dynamic.ts';
export { type ActivationRanges, calibrate, quantizeStatic } from './quantize-static.ts';
export { quantizeWeights } from './quantize-weights.ts';
export { toFloat32 } from './single-precision.ts';
