/**
 * Inside functions a value is named by the output argument of its operator. Only operators with several output
 * arguments need an entry; all others have one, whose items are numbered.
 */
const outputNames: ReadonlyMap<string, readonly string[]> = new Map([
  ['FusedBatchNorm', ['y', 'batch_mean', 'batch_variance', 'reserve_space_1', 'reserve_space_2']],
  ['FusedBatchNormV2', ['y', 'batch_mean', 'batch_variance', 'reserve_space_1', 'reserve_space_2']],
  ['FusedBatchNormV3', ['y', 'batch_mean', 'batch_variance', 'reserve_space_1', 'reserve_space_2', 'reserve_space_3']],
  ['TopKV2', ['values', 'indices']],
  ['Switch', ['output_false', 'output_true']],
  ['Merge', ['output', 'value_index']],
  ['Unique', ['y', 'idx']],
  ['NonMaxSuppressionV4', ['selected_indices', 'valid_outputs']],
  ['NonMaxSuppressionV5', ['selected_indices', 'selected_scores', 'valid_outputs']],
  ['TensorListPopBack', ['output_handle', 'tensor']],
  ['MaxPoolWithArgmax', ['output', 'argmax']],
]);

export function outputIndex(op: string, output: string): number {
  return Math.max(0, outputNames.get(op)?.indexOf(output) ?? 0);
}
