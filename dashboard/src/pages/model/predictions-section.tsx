import { type Cell, type ExportFormat, exportFormatSchema, type PredictionRecord, routes } from '@holdfast/api';
import { useState } from 'preact/hooks';
import { dash } from '../../app/format.ts';
import { format, messages } from '../../app/language.ts';
import { server } from '../../app/server.ts';
import { Icon } from '../../components/icon.tsx';
import { Empty, ErrorNote, Skeleton } from '../../components/note.tsx';
import { useLoaded } from '../../live/loaded.ts';
import { type ChartContext, keyOf } from './chart-context.ts';

const rowsShown = 50;

function cellText(value: Cell | undefined): string {
  if (value === undefined || value === null) return dash;
  if (typeof value !== 'number') return String(value);
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(5)));
}

function columnsOf(records: readonly PredictionRecord[], side: 'inputs' | 'outputs'): readonly string[] {
  const names = new Set<string>();
  for (const record of records) for (const name of Object.keys(record[side])) names.add(name);
  return [...names];
}

/** The address that downloads the predictions of the range and filter. */
export function exportAddress(name: string, as: ExportFormat, query: ChartContext['query'], where: string): string {
  const search = new URLSearchParams({ format: as });
  if (query.fromMs !== undefined) search.set('fromMs', String(query.fromMs));
  if (query.toMs !== undefined) search.set('toMs', String(query.toMs));
  if (where !== '') search.set('where', where);
  return `${routes.exportPredictions.path.replace(':model', encodeURIComponent(name))}?${search}`;
}

function PredictionsTable({
  records,
  timeZone,
}: {
  readonly records: readonly PredictionRecord[];
  readonly timeZone: string | undefined;
}) {
  const m = messages.value;
  const f = format.value;
  const inputs = columnsOf(records, 'inputs');
  const outputs = columnsOf(records, 'outputs');
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region is reached by keyboard
    <section class="table-scroll tall" tabIndex={0} aria-label={m.predictions}>
      <table>
        <thead>
          <tr class="groups">
            <td />
            <th colSpan={Math.max(outputs.length, 1)} scope="colgroup">
              {m.outputs}
            </th>
            <td />
            <th colSpan={Math.max(inputs.length, 1)} scope="colgroup">
              {m.inputs}
            </th>
            <td colSpan={3} />
          </tr>
          <tr>
            <th scope="col">{m.time}</th>
            {outputs.map(name => (
              <th key={name} scope="col" title={name}>
                {name}
              </th>
            ))}
            {outputs.length === 0 && <td />}
            <th scope="col">{m.truth}</th>
            {inputs.map(name => (
              <th key={name} scope="col" title={name}>
                {name}
              </th>
            ))}
            {inputs.length === 0 && <td />}
            <th scope="col">{m.latency}</th>
            <th scope="col">{m.versionFilter}</th>
            <th scope="col">{m.key}</th>
          </tr>
        </thead>
        <tbody>
          {records.map(record => (
            <tr key={record.id}>
              <td>{f.dateTime(record.eventMs, timeZone)}</td>
              {outputs.map(name => (
                <td key={name} class={typeof record.outputs[name] === 'number' ? 'number' : ''}>
                  {cellText(record.outputs[name])}
                </td>
              ))}
              {outputs.length === 0 && <td />}
              <td>{record.truth ?? <span class="faint">{m.truthPending}</span>}</td>
              {inputs.map(name => (
                <td key={name} class={typeof record.inputs[name] === 'number' ? 'number' : ''}>
                  {cellText(record.inputs[name])}
                </td>
              ))}
              {inputs.length === 0 && <td />}
              <td class="number">{f.ms(record.latencyMs)}</td>
              <td>{m.version(record.version)}</td>
              <td class="faint">{record.key ?? dash}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** The latest predictions of the range, with a filter and downloads. */
export function PredictionsSection({ context, tick }: { readonly context: ChartContext; readonly tick: number }) {
  const m = messages.value;
  const [typed, setTyped] = useState('');
  const [where, setWhere] = useState('');
  const [isHeld, setHeld] = useState(false);
  const [heldTick, setHeldTick] = useState(0);
  const { name, query, version } = context;
  if (!isHeld && heldTick !== tick) setHeldTick(tick);
  const records = useLoaded(
    `${keyOf(context, 'predictions')} ${version ?? ''} ${where}`,
    signal =>
      server.call('recentPredictions', {
        params: { model: name },
        query: { ...query, version, where: where === '' ? undefined : where, limit: rowsShown },
        signal,
      }),
    heldTick,
    { subject: `predictions ${name}` },
  );
  return (
    <section class="card" aria-labelledby="predictions-title">
      <div class="section-head">
        <h2 id="predictions-title">{m.predictions}</h2>
        <div class="exports">
          <span class="hint">{m.exportAs}</span>
          {exportFormatSchema.options.map(as => (
            <a key={as} class="button small" href={exportAddress(name, as, query, where)} download>
              <Icon name="download" />
              {as === 'parquet' ? 'Parquet' : as.toUpperCase()}
            </a>
          ))}
        </div>
      </div>
      <form
        class="filter"
        onSubmit={event => {
          event.preventDefault();
          setWhere(typed.trim());
        }}
      >
        <input
          type="text"
          value={typed}
          aria-label={m.filter}
          placeholder={m.filterHint}
          spellcheck={false}
          autocomplete="off"
          onInput={event => setTyped(event.currentTarget.value)}
        />
        <button type="submit" class="button">
          {m.apply}
        </button>
        {where !== '' && (
          <button
            type="button"
            class="button"
            onClick={() => {
              setTyped('');
              setWhere('');
            }}
          >
            {m.clear}
          </button>
        )}
      </form>
      {records.error !== undefined && <ErrorNote sentence={records.error} onRetry={records.reload} />}
      {records.value === undefined && records.error === undefined && <Skeleton height="20rem" />}
      {records.value !== undefined && records.error === undefined && records.value.length === 0 && (
        <Empty title={m.noPredictions} />
      )}
      {records.value !== undefined && records.value.length > 0 && (
        <div onPointerEnter={() => setHeld(true)} onPointerLeave={() => setHeld(false)}>
          <PredictionsTable records={records.value} timeZone={context.timeZone} />
        </div>
      )}
    </section>
  );
}
