/** The cells that predictions are sorted into, fixed before they are counted. */
export type OutputCells =
  | { readonly kind: 'classes'; readonly names: readonly string[] }
  /** Bins of numbers: cell i holds bin numbers up to `edges[i]`, the last cell the rest. */
  | { readonly kind: 'bins'; readonly edges: readonly number[] };

/** Classes beyond so many share the last cell. */
const mostClasses = 9;
const bins = 8;
/** With more distinct outputs than this, numbers are binned. */
const mostValues = 12;

function isNumber(key: string): boolean {
  return /^-?\d+$/.test(key);
}

/** The champion's most frequent classes, or bins that hold equal shares of its numbers. */
export function outputCells(champion: Readonly<Record<string, number>>): OutputCells {
  const entries = Object.entries(champion);
  const numbers = entries.filter(([key]) => isNumber(key));
  if (numbers.length <= mostValues || numbers.length < entries.length / 2) {
    const names = entries.toSorted((a, b) => b[1] - a[1]).map(([key]) => key);
    return { kind: 'classes', names: names.slice(0, mostClasses) };
  }
  const sorted = numbers.map(([key, weight]) => [Number(key), weight] as const).sort((a, b) => a[0] - b[0]);
  const total = sorted.reduce((sum, [, weight]) => sum + weight, 0);
  const edges: number[] = [];
  let seen = 0;
  for (const [bin, weight] of sorted) {
    seen += weight;
    if (seen >= ((edges.length + 1) * total) / bins && edges.length < bins - 1) edges.push(bin);
  }
  return { kind: 'bins', edges };
}

/** Counts by cell; the last one holds what has no cell of its own, such as NaN and new classes. */
export function cellCounts(cells: OutputCells, weights: Iterable<readonly [key: string, weight: number]>): number[] {
  const count = cells.kind === 'classes' ? cells.names.length + 1 : cells.edges.length + 2;
  const counts = new Array<number>(count).fill(0);
  for (const [key, weight] of weights) {
    let cell = count - 1;
    if (cells.kind === 'classes') {
      const at = cells.names.indexOf(key);
      if (at >= 0) cell = at;
    } else if (isNumber(key)) {
      const bin = Number(key);
      const at = cells.edges.findIndex(edge => bin <= edge);
      cell = at >= 0 ? at : cells.edges.length;
    }
    counts[cell]! += weight;
  }
  return counts;
}
