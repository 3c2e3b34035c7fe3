import type { ConversionResult } from '@holdfast/api';

type Verification = ConversionResult['verification'];
type Compared = Verification['outputs'][number];

const figure = (value: number): string => (value === 0 ? '0' : value.toExponential(1));
const percent = (share: number): string => `${Number((100 * share).toPrecision(3))} %`;

/** What was allowed, in the words of the guide. */
function describeBar(bar: Compared['bar']): string {
  if (bar.kind === 'steps') {
    const steps = bar.steps === 1 ? '1 quantisation step' : `${bar.steps} quantisation steps`;
    return `when more than ${percent(1 - bar.share)} are over ${steps} away`;
  }
  if (bar.absolute === bar.relative) return `above ${bar.absolute}, relative to values larger than 1`;
  return `above ${bar.absolute} absolute and ${bar.relative} relative`;
}

/** Outputs with the same bar in one sentence: how many values, how far, and what would have been refused. */
function describeOutputs(outputs: readonly Compared[]): string {
  const elements = outputs.reduce((sum, output) => sum + output.elements, 0);
  const absolute = Math.max(...outputs.map(output => output.largestAbsolute));
  const relative = Math.max(...outputs.map(output => output.largestRelative ?? 0));
  const beyond = outputs.reduce((sum, output) => sum + (output.shareBeyond ?? 0) * output.elements, 0);
  const { bar } = outputs[0]!;
  const found =
    bar.kind === 'steps'
      ? `${figure(absolute)}, ${percent(elements === 0 ? 0 : beyond / elements)} over ${bar.steps === 1 ? 'a step' : `${bar.steps} steps`} away,`
      : `${figure(absolute)} absolute${relative > 0 ? `, ${figure(relative)} relative` : ''}`;
  return `Largest difference ${found} over ${elements} values (refused ${describeBar(bar)}).`;
}

/** How a conversion was checked: against what, on how many rows, and the figures a reader looks for first. */
export function describeVerification({ how, rows, outputs, consistency }: Verification): string {
  const byBar = Map.groupBy(outputs, ({ bar }) => JSON.stringify(bar));
  const figures = [...byBar.values()].map(describeOutputs);
  const on = outputs.length === 0 ? [] : [`On ${rows} random ${rows === 1 ? 'row' : 'rows'}.`];
  return [how, ...on, ...figures, consistency].join(' ');
}
