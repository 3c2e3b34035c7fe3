import { OnnxError } from '../../onnx-error.ts';
import { type NamedTensor, plainElements } from './tensor.ts';
import type { Bar, ComparedOutput } from './verification.ts';

/** One output of the source, with how near the graph must come. */
interface ExpectedOutput {
  readonly name: string;
  readonly values: readonly (number | string)[];
  readonly bar: Bar;
  readonly undecided?: ReadonlySet<number>;
}

/** The distance of two numbers; equal infinities and two NaN do not differ. */
export function distance(ours: number, theirs: number): number {
  if (Object.is(ours, theirs) || ours === theirs) return 0;
  const found = Math.abs(ours - theirs);
  return Number.isNaN(found) ? Number.POSITIVE_INFINITY : found;
}

/** Above this value of the source the relative bar is the wider one. */
function relativeFrom(bar: Extract<Bar, { kind: 'near' }>): number {
  return bar.absolute / bar.relative;
}

/**
 * Compares one output of the graph with the same one of the source.
 * @throws OnnxError `conversion_wrong` naming the row and both values
 */
export function compareOutput(answer: NamedTensor, expected: ExpectedOutput, describes: string): ComparedOutput {
  const { name, bar, values, undecided } = expected;
  const ours = plainElements(answer);
  if (ours.length !== values.length)
    throw wrong(name, `it has ${ours.length} elements where ${describes} gives ${values.length}`);
  const width = Math.max(1, ours.length / (answer.shape[0] || 1));
  let [elements, largestAbsolute, largestRelative, beyond] = [0, 0, 0, 0];
  values.forEach((theirs, i) => {
    const row = Math.floor(i / width);
    if (undecided?.has(row)) return;
    elements++;
    const mine = ours[i]!;
    const isNumber = typeof mine === 'number' && typeof theirs === 'number';
    const difference = isNumber ? distance(mine, theirs) : mine === theirs ? 0 : Number.POSITIVE_INFINITY;
    largestAbsolute = Math.max(largestAbsolute, difference);
    if (bar.kind === 'steps') {
      if (difference > bar.steps * bar.stepSize * (1 + 1e-6)) beyond++;
      return;
    }
    const size = isNumber ? Math.abs(theirs) : 0;
    if (size >= relativeFrom(bar) && difference > 0) largestRelative = Math.max(largestRelative, difference / size);
    if (difference > Math.max(bar.absolute, bar.relative * (Number.isFinite(size) ? size : 0)))
      throw wrong(name, `in row ${row} the graph says ${mine} where ${describes} says ${theirs}`);
  });
  if (bar.kind === 'near')
    return { name, elements, bar, largestAbsolute, ...(largestRelative > 0 && { largestRelative }) };
  const shareBeyond = elements === 0 ? 0 : beyond / elements;
  if (shareBeyond > 1 - bar.share)
    throw wrong(
      name,
      `${percent(shareBeyond)} of its elements are more than ${bar.steps} quantisation step from what ${describes} says, where ${percent(1 - bar.share)} may be`,
    );
  return { name, elements, bar, largestAbsolute, shareBeyond };
}

const percent = (share: number): string => `${Number((100 * share).toPrecision(3))} %`;

/** Several batches of one output as if they had been compared at once. */
export function together(parts: readonly ComparedOutput[]): ComparedOutput {
  const [first] = parts;
  if (first === undefined) throw new TypeError('nothing was compared');
  const elements = parts.reduce((sum, part) => sum + part.elements, 0);
  const relative = Math.max(...parts.map(part => part.largestRelative ?? 0));
  const beyond = parts.reduce((sum, part) => sum + (part.shareBeyond ?? 0) * part.elements, 0);
  return {
    name: first.name,
    elements,
    bar: first.bar,
    largestAbsolute: Math.max(...parts.map(part => part.largestAbsolute)),
    ...(relative > 0 && { largestRelative: relative }),
    ...(first.bar.kind === 'steps' && { shareBeyond: elements === 0 ? 0 : beyond / elements }),
  };
}

export function wrong(output: string, what: string): OnnxError {
  return new OnnxError(
    'conversion_wrong',
    `The converted model does not agree with its source in the output "${output}": ${what}. It was not written; please report the model's class.`,
    { node: output },
  );
}
