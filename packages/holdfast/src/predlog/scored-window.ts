import type { Catalog } from './catalog.ts';
import { latestTruth } from './compaction.ts';
import { type Duck, literal } from './duck.ts';
import type { HotStore } from './hot-store.ts';
import { truthColumns, truthHot } from './joiner.ts';
import { isCategorical, type LogSchema, logSchemaSchema } from './log-schema.ts';
import type { SealedDirectory } from './sealed-directory.ts';

/** The predictions of one version whose event time lies in a window, with their ground truth where it is known. */
export interface ScoredWindow {
  /** All predictions of the window. */
  readonly predictions: number;
  /** Those with ground truth: the length of every array. */
  readonly labelled: number;
  /** The columns asked for, of the labelled predictions: numbers (NaN for missing), or texts (empty for missing). */
  readonly columns: ReadonlyMap<string, Float64Array | readonly string[]>;
  /** Ground truth of the labelled predictions, as it was sent. */
  readonly truth: readonly string[];
  /** Ids of the labelled predictions. */
  readonly ids: readonly string[];
}

export interface ScoredWindowQuery {
  readonly model: string;
  readonly version: number;
  /** Inclusive, ms since epoch. */
  readonly fromMs: number;
  /** Exclusive. */
  readonly toMs: number;
  /** Names of columns; an output goes before an input of the same name. */
  readonly columns: readonly string[];
  /** Only what was dealt under this release, and received since then. */
  readonly arm?: { readonly release: string; readonly receivedFromMs: number };
}

/** The condition that selects the rows of an arm by what the gateway tagged them with. */
function armCondition({ release, receivedFromMs }: NonNullable<ScoredWindowQuery['arm']>): string {
  const tags = `^role=(champion|challenger|shadow),release=${release.replace(/[^\w-]/g, '')}(,|$)`;
  return ` and received_ms >= ${receivedFromMs} and regexp_matches(coalesce(tags, ''), ${literal(tags)})`;
}

export interface WindowParts {
  readonly duck: Duck;
  readonly hot: HotStore;
  readonly catalog: Catalog;
  readonly directory: SealedDirectory;
}

interface Layout {
  readonly schema: LogSchema;
  readonly sources: string[];
}

/** Column `name` of a layout as SQL: a number or a text, as the column is read; undefined when it has no such column. */
function columnSql(schema: LogSchema, name: string): { readonly sql: string; readonly isText: boolean } | undefined {
  const at = ['output', 'input']
    .map(role => schema.columns.findIndex(column => column.role === role && column.name === name))
    .find(index => index >= 0);
  if (at === undefined) return undefined;
  const isText = isCategorical(schema.columns[at]!);
  return { sql: isText ? `coalesce(cast(c${at} as varchar), '')` : `coalesce(cast(c${at} as double), 'nan')`, isText };
}

/** Tables and files that may hold predictions of the window, by layout. */
async function layoutsOf(parts: WindowParts, query: ScoredWindowQuery): Promise<Layout[]> {
  const { model, version, fromMs, toMs } = query;
  const layouts = new Map<string, Layout>();
  const layout = (text: string, schema: () => LogSchema): Layout => {
    const known = layouts.get(text) ?? { schema: schema(), sources: [] };
    layouts.set(text, known);
    return known;
  };
  for (const hot of parts.hot.tables) {
    const isOurs = hot.schema.model === model && hot.schema.version === version;
    if (!isOurs || hot.maxEventMs < fromMs || hot.minEventMs >= toMs) continue;
    layout(hot.schemaText, () => hot.schema).sources.push(hot.table);
  }
  const schemas = new Map((await parts.catalog.schemas(model)).map(schema => [schema.id, schema.text]));
  const files = (await parts.catalog.files({ kind: 'predictions', model })).filter(
    file =>
      file.version === version &&
      file.max_event_ms >= fromMs &&
      file.min_event_ms < toMs &&
      file.max_received_ms >= (query.arm?.receivedFromMs ?? Number.NEGATIVE_INFINITY),
  );
  for (const [schemaId, group] of Map.groupBy(files, file => file.schema_id)) {
    const text = schemas.get(schemaId ?? -1);
    if (text === undefined) throw new Error(`the catalog has no layout ${schemaId}`);
    layout(text, () => logSchemaSchema.parse(JSON.parse(text))).sources.push(parts.directory.source(group));
  }
  return [...layouts.values()];
}

async function truthSource(parts: WindowParts, { model, version, fromMs, toMs }: ScoredWindowQuery): Promise<string> {
  const files = (await parts.catalog.files({ kind: 'truth', model })).filter(
    file => file.version === version && file.max_event_ms >= fromMs && file.min_event_ms < toMs,
  );
  const within = `prediction_event_ms >= ${fromMs} and prediction_event_ms < ${toMs}`;
  const hot = `select ${truthColumns} from ${truthHot}
    where model = ${literal(model)} and version = ${version} and ${within}`;
  if (files.length === 0) return `(${hot})`;
  return `(${hot} union all select ${truthColumns} from ${parts.directory.source(files)} where ${within})`;
}

/** Reads a window; cost grows with the rows of the files that overlap it, not with the history. */
export async function readScoredWindow(parts: WindowParts, query: ScoredWindowQuery): Promise<ScoredWindow> {
  const { fromMs, toMs } = query;
  const arm = query.arm === undefined ? '' : armCondition(query.arm);
  const within = `event_ms >= ${fromMs} and event_ms < ${toMs}${arm}`;
  const selects: string[] = [];
  const counts: string[] = [];
  const isText = query.columns.map(() => false);
  for (const { schema, sources } of await layoutsOf(parts, query)) {
    const cells = query.columns.map((name, i) => {
      const column = columnSql(schema, name);
      isText[i] ||= column?.isText ?? false;
      return `${column?.sql ?? 'null'} as v${i}`;
    });
    for (const source of sources) {
      counts.push(`select count(*) as n from ${source} where ${within}`);
      selects.push(`select ${['prediction_id', ...cells].join(', ')} from ${source} where ${within}`);
    }
  }
  if (selects.length === 0) {
    return { predictions: 0, labelled: 0, columns: emptyColumns(query.columns), truth: [], ids: [] };
  }
  const [[predictions] = []] = await parts.duck.columns(`select sum(n) from (${counts.join(' union all ')})`);
  const values = query.columns.map((_, i) => `, v${i}`).join('');
  const [truth = [], ids = [], ...columns] = await parts.duck.columns(
    `select t.latest.v, prediction_id ${values} from (${selects.join(' union all ')}) p
     join (${latestTruth(await truthSource(parts, query))}) t using (prediction_id)`,
  );
  return {
    predictions: Number(predictions),
    labelled: truth.length,
    columns: new Map(
      query.columns.map((name, i) => {
        const cells = columns[i] ?? [];
        return [name, isText[i] === true ? cells.map(String) : Float64Array.from(cells, Number)];
      }),
    ),
    truth: truth.map(String),
    ids: ids.map(String),
  };
}

function emptyColumns(names: readonly string[]): Map<string, Float64Array> {
  return new Map(names.map(name => [name, new Float64Array(0)]));
}
