import type { ModelDetail } from '@holdfast/api';
import type { ChartSpec } from '../../charts/chart-spec.ts';
import type { Range, Span } from '../../charts/range.ts';
import type { VersionMarker } from '../../charts/version-markers.ts';

/** What all charts of a model's page share. */
export interface ChartContext {
  readonly name: string;
  readonly detail: ModelDetail;
  readonly range: Range;
  readonly shown: Span;
  /** Sent to the server: nothing for everything, so that it follows live by itself. */
  readonly query: { readonly fromMs?: number; readonly toMs?: number };
  readonly version: number | undefined;
  readonly markers: readonly VersionMarker[];
  readonly timeZone: string | undefined;
  readonly locale: string;
  readonly tick: number;
  readonly onZoom: (range: Range) => void;
  readonly onReset: () => void;
}

/** The parts of a chart that do not depend on its subject. */
export function commonSpec(
  context: ChartContext,
  markerText: (version: number) => string,
): Pick<ChartSpec, 'shown' | 'markers' | 'locale' | 'timeZone' | 'markerText'> {
  const { shown, markers, locale, timeZone } = context;
  return { shown, markers, locale, timeZone, markerText };
}

/** Identifies what a chart asks the server for. */
export function keyOf(context: ChartContext, subject: string): string {
  const { range } = context;
  const text =
    range.kind === 'fixed' ? `${range.fromMs}-${range.toMs}` : range.kind === 'last' ? `last ${range.ms}` : 'all';
  return `${subject} ${context.name} ${text}`;
}
