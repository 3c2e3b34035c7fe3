import type { AliasMove, PerformancePoint, TrafficPoint } from '@holdfast/api';

/** The moment from which another version answers. */
export interface VersionMarker {
  readonly atMs: number;
  readonly version: number;
}

/** Moves of the champion, for models whose predictions happen when they are received. */
export function markersOfHistory(history: readonly AliasMove[]): readonly VersionMarker[] {
  return history
    .filter(move => move.alias === 'champion' && move.toVersion !== null)
    .map(move => ({ atMs: move.atMs, version: move.toVersion ?? 0 }))
    .sort((a, b) => a.atMs - b.atMs);
}

/**
 * Changes of the version that answers most rows, for models whose predictions carry their own time: an alias moves in
 * wall time, so its moment means nothing on their axis.
 */
export function markersOfPoints(points: readonly (TrafficPoint | PerformancePoint)[]): readonly VersionMarker[] {
  const busiest = new Map<number, { readonly version: number; readonly rows: number }>();
  for (const point of points) {
    const atMs = 'startMs' in point ? point.startMs : point.windowStartMs;
    const rows = 'rows' in point ? point.rows : point.predictions;
    const best = busiest.get(atMs);
    if (best === undefined || rows > best.rows) busiest.set(atMs, { version: point.version, rows });
  }
  const markers: VersionMarker[] = [];
  let before: number | undefined;
  for (const [atMs, { version }] of [...busiest].sort(([a], [b]) => a - b)) {
    if (version !== before) markers.push({ atMs, version });
    before = version;
  }
  return markers;
}
