import type { DriftCell } from '@holdfast/api';
import { useMemo, useRef, useState } from 'preact/hooks';
import { messages } from '../../app/language.ts';
import { server } from '../../app/server.ts';
import { heatGrid, keepOrder, worstFirst } from '../../charts/heat-grid.ts';
import { HeatLegend } from '../../charts/heat-legend.tsx';
import { HeatMap } from '../../charts/heat-map.tsx';
import { Empty, ErrorNote, Skeleton } from '../../components/note.tsx';
import { useLoaded } from '../../live/loaded.ts';
import { type ChartContext, keyOf } from './chart-context.ts';
import { DriftDetailPanel } from './drift-detail-panel.tsx';

const none: readonly DriftCell[] = [];

/** The drift heat map with the detail of the open cell. */
export function DriftSection({ context }: { readonly context: ChartContext }) {
  const m = messages.value;
  const { name, query, tick, version, timeZone, detail } = context;
  const key = keyOf(context, 'drift');
  const cells = useLoaded(key, signal => server.call('drift', { params: { model: name }, query, signal }), tick, {
    subject: `drift ${name}`,
  });
  const [open, setOpen] = useState<DriftCell | undefined>(undefined);
  const opener = useRef<HTMLElement | SVGElement | undefined>(undefined);
  const isBusy = useRef(false);
  const order = useRef<{ readonly key: string; readonly columns: readonly string[] }>({ key: '', columns: [] });

  const all = cells.value ?? none;
  const grid = useMemo(() => {
    const mine = version === undefined ? all : all.filter(cell => cell.version === version);
    const fresh = worstFirst(mine);
    const mayReorder = order.current.key !== key || !isBusy.current;
    order.current = { key, columns: mayReorder ? fresh : keepOrder(order.current.columns, fresh) };
    return heatGrid(mine, order.current.columns);
  }, [all, version, key]);

  const close = (): void => {
    setOpen(undefined);
    opener.current?.focus();
  };
  const isUnwatched = detail.summary.drift === 'unwatched';
  return (
    <section class="card" aria-labelledby="drift-title">
      <div class="section-head">
        <h2 id="drift-title">{m.driftTitle}</h2>
        <p class="hint">{m.driftHint}</p>
        <HeatLegend />
      </div>
      {cells.error !== undefined && <ErrorNote sentence={cells.error} onRetry={cells.reload} />}
      {cells.value === undefined && cells.error === undefined && <Skeleton height="18rem" />}
      {cells.value !== undefined && grid.rows.length === 0 && (
        <Empty title={m.noDrift}>{isUnwatched && <p>{m.unwatchedDrift}</p>}</Empty>
      )}
      {grid.rows.length > 0 && (
        // Rows keep their places while somebody works in the map.
        <div
          onPointerEnter={() => {
            isBusy.current = true;
          }}
          onPointerLeave={() => {
            isBusy.current = open !== undefined;
          }}
          onFocusIn={() => {
            isBusy.current = true;
          }}
        >
          <HeatMap
            grid={grid}
            timeZone={timeZone}
            open={open}
            onOpen={(cell, from) => {
              opener.current = from;
              setOpen(cell);
            }}
          />
        </div>
      )}
      {open !== undefined && <DriftDetailPanel name={name} cell={open} timeZone={timeZone} onClose={close} />}
    </section>
  );
}
