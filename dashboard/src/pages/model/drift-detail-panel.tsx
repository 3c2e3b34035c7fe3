import type { ColumnDistribution, DriftCell, DriftDetail, Verdict } from '@holdfast/api';
import { useEffect, useRef } from 'preact/hooks';
import { dash } from '../../app/format.ts';
import { format, messages } from '../../app/language.ts';
import { server } from '../../app/server.ts';
import { Distribution } from '../../charts/distribution.tsx';
import { Badge } from '../../components/badge.tsx';
import { Icon } from '../../components/icon.tsx';
import { ErrorNote, Skeleton } from '../../components/note.tsx';
import { Sentence } from '../../components/sentence.tsx';
import { outcomeTone } from '../../components/tones.ts';
import { useLoaded } from '../../live/loaded.ts';

function Fact({ name, value }: { readonly name: string; readonly value: string }) {
  return (
    <div class="fact">
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

/** Effect against threshold as a bar with a mark, the same picture for every kind of effect. */
function EffectGauge({ verdict }: { readonly verdict: Verdict }) {
  const { effect, threshold } = verdict;
  if (effect === null || threshold === null || threshold <= 0) return null;
  const scale = Math.max(effect, threshold) * 1.15;
  const at = (value: number) => `${((Math.max(value, 0) / scale) * 100).toFixed(2)}%`;
  return (
    <div class="gauge" aria-hidden="true">
      <div class={`gauge-fill ${verdict.outcome}`} style={{ width: at(effect) }} />
      <div class="gauge-mark" style={{ left: at(threshold) }} />
    </div>
  );
}

function VerdictView({ verdict }: { readonly verdict: Verdict }) {
  const m = messages.value;
  const f = format.value;
  const number = (value: number | null): string => (value === null ? dash : f.rate(value));
  const pValue = verdict.pValue === null ? dash : verdict.pValue < 1e-4 ? '< 0.0001' : f.rate(verdict.pValue);
  return (
    <div class="verdict">
      <p class="verdict-sentence">
        <Badge tone={outcomeTone[verdict.outcome]}>{m.outcome[verdict.outcome]}</Badge>{' '}
        <Sentence text={verdict.sentence} />
      </p>
      <EffectGauge verdict={verdict} />
      <dl class="facts">
        <Fact name={m.test} value={verdict.test} />
        <Fact name={`${m.effect} (${verdict.effectName})`} value={number(verdict.effect)} />
        <Fact name={m.threshold} value={number(verdict.threshold)} />
        <Fact name={m.pValue} value={pValue} />
        <Fact
          name={m.falseAlarmRate}
          value={verdict.falseAlarmRate === null ? dash : m.falseAlarmOf(f.percent(verdict.falseAlarmRate))}
        />
        {verdict.revision > 0 && <Fact name={m.revisionName} value={m.revision(f.count(verdict.revision))} />}
      </dl>
    </div>
  );
}

function Sides({ detail }: { readonly detail: DriftDetail }) {
  const m = messages.value;
  const f = format.value;
  const number = (value: number | null): string => (value === null ? dash : f.rate(value));
  const share = (part: number, side: ColumnDistribution): string =>
    side.rows > 0 ? f.percent(part / side.rows) : dash;
  const rows: [string, (side: ColumnDistribution) => string][] = [
    [m.rows, side => f.count(side.rows)],
    [m.missing, side => share(side.missing, side)],
    ...(detail.kind === 'numeric'
      ? ([
          [m.mean, side => number(side.mean)],
          [m.standardDeviation, side => number(side.standardDeviation)],
          [m.minimum, side => number(side.minimum)],
          [m.maximum, side => number(side.maximum)],
        ] satisfies [string, (side: ColumnDistribution) => string][])
      : ([[m.unseen, side => share(side.unseen, side)]] satisfies [string, (side: ColumnDistribution) => string][])),
  ];
  return (
    <table class="sides">
      <thead>
        <tr>
          <td />
          <th scope="col">{m.baseline}</th>
          <th scope="col">{m.current}</th>
        </tr>
      </thead>
      <tbody>
        {rows.map(([name, of]) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td>{of(detail.baseline)}</td>
            <td>{of(detail.current)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

interface DriftDetailPanelProps {
  readonly name: string;
  readonly cell: DriftCell;
  readonly timeZone: string | undefined;
  readonly onClose: () => void;
}

/** What one cell of the heat map is made of. Escape closes it. */
export function DriftDetailPanel({ name, cell, timeZone, onClose }: DriftDetailPanelProps) {
  const m = messages.value;
  const f = format.value;
  const heading = useRef<HTMLHeadingElement>(null);
  const { column, version, windowStartMs, windowEndMs } = cell;
  const key = `${name} ${column} ${version} ${windowStartMs} ${windowEndMs}`;
  const detail = useLoaded(key, signal =>
    server.call('driftDetail', {
      params: { model: name },
      query: { column, version, windowStartMs, windowEndMs },
      signal,
    }),
  );
  useEffect(() => heading.current?.focus({ preventScroll: false }), [key]);
  const value = detail.value;
  return (
    // Escape inside the panel is a shortcut for its close button.
    <section
      class="detail-panel"
      aria-label={m.distribution(column)}
      onKeyDown={event => {
        if (event.key === 'Escape') onClose();
      }}
    >
      <div class="detail-head">
        <h3 tabIndex={-1} ref={heading}>
          {column} <span class="unit">{m.role[cell.role]}</span>
        </h3>
        <span class="detail-window">
          {f.range(windowStartMs, windowEndMs, timeZone)} · {m.version(version)}
        </span>
        <button type="button" class="icon-button" aria-label={m.close} title={m.close} onClick={onClose}>
          <Icon name="close" />
        </button>
      </div>
      {detail.error !== undefined && <ErrorNote sentence={detail.error} onRetry={detail.reload} />}
      {value === undefined && detail.error === undefined && <Skeleton height="16rem" />}
      {value !== undefined && (
        <div class="detail-body">
          <Distribution detail={value} />
          <div>
            {value.verdicts.map(verdict => (
              <VerdictView key={verdict.id} verdict={verdict} />
            ))}
            <Sides detail={value} />
          </div>
        </div>
      )}
    </section>
  );
}
