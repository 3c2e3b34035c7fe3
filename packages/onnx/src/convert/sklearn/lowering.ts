import { OnnxError } from '../../onnx-error.ts';
import type { GraphBuilder } from '../graph-builder.ts';
import type { Estimator, Labels } from './records.ts';

/** Neighbouring columns of one type in one value of shape [batch, columns]. */
export interface Block {
  readonly value: string;
  readonly type: 'double' | 'string';
  readonly columns: number;
}

/** A table on its way through the steps: blocks side by side, and the column names where they are known. */
export interface Frame {
  readonly blocks: readonly Block[];
  readonly names?: readonly string[];
}

/** What a fitted object answers. Indices are int64 [batch]; matrices are double [batch, columns]. */
export type Answer =
  | {
      readonly kind: 'classes';
      readonly classes: Labels;
      /** Position of the predicted class in `classes`. */
      readonly index: string;
      readonly probabilities?: string;
      readonly scores?: { readonly value: string; readonly columns: number };
    }
  | { readonly kind: 'values'; readonly value: string; readonly columns: number }
  | {
      readonly kind: 'clusters';
      readonly index: string;
      readonly distances?: { readonly value: string; readonly columns: number };
    }
  | { readonly kind: 'outliers'; readonly label: string; readonly score: string }
  | { readonly kind: 'several'; readonly answers: readonly Answer[] };

export type ClassAnswer = Extract<Answer, { kind: 'classes' }>;

/** What every lowering needs besides its estimator and its input. */
export interface Lowering {
  readonly graph: GraphBuilder;
  /** scikit-learn version of the file as major * 1000 + minor, or 0 when unknown. */
  readonly version: number;
  readonly notes: string[];
  predict(estimator: Estimator, x: Frame): Answer;
  transform(estimator: Estimator, x: Frame): Frame;
}

/** How one class is written: what it predicts, what it turns its input into, or both. */
export interface SklearnClass {
  readonly family: string;
  readonly predict?: (estimator: Estimator, x: Frame, to: Lowering) => Answer;
  readonly transform?: (estimator: Estimator, x: Frame, to: Lowering) => Frame;
}

export const frameWidth = (frame: Frame): number => frame.blocks.reduce((sum, block) => sum + block.columns, 0);

export const matrixFrame = (value: string, columns: number): Frame => ({
  blocks: [{ value, type: 'double', columns }],
});

/** The whole frame as one double matrix. @throws OnnxError when it holds text */
export function matrix(frame: Frame, to: Lowering, estimator: Estimator): string {
  const text = frame.blocks.find(block => block.type === 'string');
  if (text !== undefined) estimator.refuse('gets text columns, which it cannot use; encode them first');
  return joinBlocks(
    frame.blocks.map(block => block.value),
    to.graph,
  );
}

function joinBlocks(values: readonly string[], graph: GraphBuilder): string {
  return values.length === 1 ? values[0]! : graph.op('Concat', values, { axis: 1n });
}

/** Checks that the input has as many columns as the estimator was fitted on. */
export function requireWidth(frame: Frame, width: number, estimator: Estimator): void {
  if (frameWidth(frame) !== width) {
    throw new OnnxError(
      'source_malformed',
      `${estimator.className} at ${estimator.path} was fitted on ${width} columns but gets ${frameWidth(frame)}; the file is inconsistent.`,
      { node: estimator.path },
    );
  }
}

/** Columns by position, neighbouring ones of a block in one gather. */
export function selectColumns(frame: Frame, columns: readonly number[], to: Lowering): Frame {
  const starts: number[] = [];
  let start = 0;
  for (const block of frame.blocks) {
    starts.push(start);
    start += block.columns;
  }
  const blocks: Block[] = [];
  let run: number[] = [];
  let runBlock = -1;
  const flush = (): void => {
    if (run.length > 0) blocks.push(gatherBlock(frame.blocks[runBlock]!, run, to));
    run = [];
  };
  for (const column of columns) {
    const at = starts.findLastIndex(first => first <= column);
    const block = frame.blocks[at];
    if (block === undefined || column < 0 || column - starts[at]! >= block.columns) {
      throw new OnnxError(
        'source_malformed',
        `A step selects column ${column}, but its input has ${start} columns; the file is inconsistent.`,
      );
    }
    if (at !== runBlock) flush();
    runBlock = at;
    run.push(column - starts[at]!);
  }
  flush();
  const { names } = frame;
  return { blocks, ...(names === undefined ? {} : { names: columns.map(column => names[column] ?? '') }) };
}

function gatherBlock(block: Block, columns: readonly number[], to: Lowering): Block {
  const isWhole = columns.length === block.columns && columns.every((column, i) => column === i);
  if (isWhole) return block;
  return {
    ...block,
    value: to.graph.op('Gather', [block.value, to.graph.ints(...columns)], { axis: 1n }),
    columns: columns.length,
  };
}

/** Each column on its own, as [batch, 1]. */
export function eachColumn(frame: Frame, to: Lowering): Block[] {
  return Array.from({ length: frameWidth(frame) }, (_, i) => selectColumns(frame, [i], to).blocks[0]!);
}

/** Frames side by side; neighbouring numeric blocks are joined into one value. */
export function joinFrames(frames: readonly Frame[], to: Lowering): Frame {
  const blocks: Block[] = [];
  for (const block of frames.flatMap(frame => frame.blocks)) {
    const last = blocks.at(-1);
    if (last?.type === 'double' && block.type === 'double') {
      blocks[blocks.length - 1] = {
        type: 'double',
        columns: last.columns + block.columns,
        value: joinBlocks([last.value, block.value], to.graph),
      };
    } else blocks.push(block);
  }
  return { blocks };
}
