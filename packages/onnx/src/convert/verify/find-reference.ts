import type { Conversion, SourceFile } from '../convert.ts';
import type { Comparable } from './verification.ts';

/** The independent evaluator of a source, or why there is none. */
export function findReference(
  _files: readonly SourceFile[],
  { report }: Conversion,
  _rounds: number | undefined,
): Comparable {
  if (report.source.format === 'onnx')
    return { kind: 'none', because: 'The source is ONNX itself; its graph was loaded and run.' };
  return {
    kind: 'none',
    because: `There is no independent evaluator of ${report.source.framework} models; the graph was loaded and run.`,
  };
}
