import { controlOperators } from './control-flow.ts';
import { convolutionOperators } from './convolution.ts';
import { elementwiseOperators } from './elementwise.ts';
import { layoutOperators } from './layout.ts';
import type { TfliteHandler } from './lowering.ts';
import { quantizeOperators } from './quantize.ts';
import { recurrentOperators } from './recurrent.ts';
import { reductionOperators } from './reduction.ts';
import { spatialOperators } from './spatial.ts';

/** Families of built-in operators that convert, as the documentation lists them. */
export const tfliteFamilies: ReadonlyMap<string, Readonly<Record<string, TfliteHandler>>> = new Map([
  ['convolutions, pools and products', convolutionOperators],
  ['element by element', elementwiseOperators],
  ['shape and place', { ...layoutOperators, ...spatialOperators }],
  ['reductions and choices', reductionOperators],
  ['recurrent', recurrentOperators],
  ['quantisation and sparsity', quantizeOperators],
  ['control flow and variables', controlOperators],
]);

/** Every built-in operator that converts. */
export const tfliteOperators: ReadonlyMap<string, TfliteHandler> = new Map(
  [...tfliteFamilies.values()].flatMap(family => Object.entries(family)),
);
