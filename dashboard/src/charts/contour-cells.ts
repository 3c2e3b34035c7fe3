import type { XyCell } from './xy-chart.tsx';

const cellsAcross = 24;
const levels = 5;
/** Width of a trial's influence, in units of the axis. */
const reach = 0.09;
/** A place with less support than this is left empty: nobody has tried anything near it. */
const leastSupport = 0.15;

interface Known {
  readonly x: number;
  readonly y: number;
  /** 0 the best, 1 the worst. */
  readonly standing: number;
}

/**
 * The surface between trials as cells: the mean standing of the trials near each place, weighted by a Gaussian kernel
 * (Nadaraya-Watson). Level 4 is where the best trials are.
 */
export function contourCells(known: readonly Known[]): XyCell[] {
  const size = 1 / cellsAcross;
  const cells: XyCell[] = [];
  for (let column = 0; column < cellsAcross; column++) {
    for (let row = 0; row < cellsAcross; row++) {
      const [x, y] = [(column + 0.5) * size, (row + 0.5) * size];
      let support = 0;
      let sum = 0;
      for (const point of known) {
        const weight = Math.exp(-((point.x - x) ** 2 + (point.y - y) ** 2) / (2 * reach * reach));
        support += weight;
        sum += weight * point.standing;
      }
      if (support < leastSupport) continue;
      const level = Math.min(levels - 1, Math.floor((1 - sum / support) * levels));
      cells.push({ x: column * size, y: row * size, width: size, height: size, level });
    }
  }
  return cells;
}
