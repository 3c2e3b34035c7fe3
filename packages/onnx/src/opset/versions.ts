/** The version of the file format and of ai.onnx.ml that came with each version of ai.onnx; runtimes of the time read no newer. */
export const releases: ReadonlyMap<number, { readonly ir: number; readonly ml: number }> = new Map([
  [13, { ir: 7, ml: 2 }],
  [14, { ir: 7, ml: 2 }],
  [15, { ir: 8, ml: 2 }],
  [16, { ir: 8, ml: 3 }],
  [17, { ir: 8, ml: 3 }],
  [18, { ir: 8, ml: 3 }],
  [19, { ir: 9, ml: 3 }],
  [20, { ir: 9, ml: 4 }],
  [21, { ir: 10, ml: 5 }],
]);

/** Operators that opset 13 does not have, by the version that brought them. */
const newOperators: Readonly<Record<number, string>> = {
  14: 'HardSwish Trilu',
  15: 'Bernoulli CastLike Optional OptionalGetElement OptionalHasElement',
  16: 'GridSample',
  17: 'BlackmanWindow DFT HammingWindow HannWindow LayerNormalization MelWeightMatrix STFT SequenceMap',
  18: 'BitwiseAnd BitwiseNot BitwiseOr BitwiseXor CenterCropPad Col2Im Mish',
  19: 'DeformConv',
  20: 'AffineGrid Gelu ImageDecoder RegexFullMatch StringConcat StringSplit',
  // The one of opset 18 had one scale per group, not per channel.
  21: 'GroupNormalization',
  23: 'Attention RMSNormalization RotaryEmbedding',
  24: 'Swish TensorScatter',
  26: 'BitCast CumProd',
};

/** The version that brought an operator of ai.onnx, for those younger than opset 13. */
export const bornIn: ReadonlyMap<string, number> = new Map(
  Object.entries(newOperators).flatMap(([version, names]) =>
    names.split(' ').map(name => [name, Number(version)] as const),
  ),
);

/** Attributes that an operator got after opset 13, by the version that brought them; the default means the same as before. */
export const newAttributes: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  AveragePool: { dilations: 19 },
  Cast: { saturate: 19, round_mode: 24 },
  CastLike: { saturate: 19, round_mode: 24 },
  DequantizeLinear: { block_size: 21, output_dtype: 23 },
  GRU: { layout: 14 },
  LSTM: { layout: 14 },
  QuantizeLinear: { saturate: 19, block_size: 21, output_dtype: 21, precision: 23 },
  RNN: { layout: 14 },
  Resize: { antialias: 18, axes: 18, keep_aspect_ratio_policy: 18 },
  BatchNormalization: { training_mode: 14 },
  DFT: { axis: 17 },
};

/** Attributes whose values came later: value, and the version that brought it. */
export const newValues: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, number>>>>>> = {
  Pad: { mode: { wrap: 19 } },
  Resize: { coordinate_transformation_mode: { half_pixel_symmetric: 19 } },
  ScatterElements: { reduction: { add: 16, mul: 16, max: 18, min: 18 } },
  ScatterND: { reduction: { add: 16, mul: 16, max: 18, min: 18 } },
  GridSample: { mode: { linear: 20, cubic: 20 } },
};

/** Reductions that take their axes as an attribute before opset 18. */
export const reductions: ReadonlySet<string> = new Set(
  ['L1', 'L2', 'LogSum', 'LogSumExp', 'Max', 'Mean', 'Min', 'Prod', 'SumSquare'].map(name => `Reduce${name}`),
);
