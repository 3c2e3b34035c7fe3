import type { Catalog, SealedFile } from './catalog.ts';
import { type Duck, literal } from './duck.ts';
import type { HotStore, HotTable } from './hot-store.ts';
import { createTableSql, labelColumns } from './hot-table.ts';
import type { SealedDirectory } from './sealed-directory.ts';

/** A span of event time whose ground truth changed: `fromMs` inclusive, `toMs` exclusive. */
export interface ChangedRange {
  readonly model: string;
  readonly version: number;
  readonly fromMs: number;
  readonly toMs: number;
}

export interface JoinerOptions {
  /** Labels without a prediction are given up after so long. @default 30 days */
  readonly pendingAgeMs?: number;
  /** The oldest labels without a prediction beyond so many are given up. @default 1,000,000 */
  readonly mostPending?: number;
  /** Labels by key are compared with all sealed predictions at most this often. @default 5 s */
  readonly keyPassMs?: number;
}

export interface JoinerStats {
  /** Labels that wait for their prediction. */
  readonly pending: number;
  /** Labels given up because they waited too long or were too many. */
  readonly expiredTotal: number;
  readonly matchedTotal: number;
}

/** Labels as they come from the log, not yet compared with anything. */
export const labelInbox = 'label_inbox';
const waiting = 'label_waiting';
/** Matches not yet in a sealed file. */
export const truthHot = 'truth_hot';
export const truthColumns = 'prediction_id, prediction_event_ms, value, label_event_ms, received_ms';

/**
 * A label that found its prediction is compared with new predictions for this long: a shadow version answers the same
 * request a little later than its champion.
 */
const lingerMs = 5000;
const minuteMs = 60_000;
/** Rows that are no longer needed are swept out when they are this many and a fifth of the table. */
const sweepRows = 5000;
const sweepEveryMs = 1000;

function asNumber(value: unknown): number {
  return typeof value === 'bigint' ? Number(value) : typeof value === 'number' ? value : Number.NaN;
}

/** Predictions of one version, wherever they lie. */
interface Predictions {
  readonly version: number;
  /** A table or file source with `prediction_id`, `key` and `event_ms`. */
  readonly source: string;
  readonly where: string;
}

/**
 * Finds the prediction of each label, by id or by key, in whichever order they come: new labels are compared with all
 * predictions, waiting ones only with new predictions. A match is never undone; of several for one prediction the one
 * with the latest event time counts.
 */
export class Joiner {
  readonly #duck: Duck;
  readonly #hot: HotStore;
  readonly #catalog: Catalog;
  readonly #directory: SealedDirectory;
  readonly #options: Required<JoinerOptions>;
  #lastKeyPassMs = Number.NEGATIVE_INFINITY;
  #lastSweepMs = Number.NEGATIVE_INFINITY;
  #waitingRows = 0;
  #dueRows = 0;
  #labelRows = 0;
  #pending = 0;
  #expiredTotal = 0;
  #matchedTotal = 0;

  private constructor(duck: Duck, hot: HotStore, catalog: Catalog, directory: SealedDirectory, options: JoinerOptions) {
    this.#duck = duck;
    this.#hot = hot;
    this.#catalog = catalog;
    this.#directory = directory;
    this.#options = {
      pendingAgeMs: options.pendingAgeMs ?? 30 * 86_400_000,
      mostPending: options.mostPending ?? 1_000_000,
      keyPassMs: options.keyPassMs ?? 5000,
    };
  }

  /** Opens with the labels that waited when the files were sealed. */
  static async open(
    duck: Duck,
    hot: HotStore,
    catalog: Catalog,
    directory: SealedDirectory,
    options: JoinerOptions = {},
  ): Promise<Joiner> {
    await duck.run(`create table ${truthHot} (model varchar, version integer, prediction_id varchar,
      prediction_event_ms double, value varchar, label_event_ms double, received_ms double, segment varchar)`);
    await duck.run(createTableSql(waiting, labelColumns));
    await duck.run(`alter table ${waiting} add column is_due boolean`);
    await duck.run(`alter table ${waiting} add column matched_ms double`);
    await duck.run(`create table matched (is_new boolean, label bigint, model varchar, version integer,
      prediction_id varchar, prediction_event_ms double, value varchar, label_event_ms double, received_ms double,
      segment varchar)`);
    const joiner = new Joiner(duck, hot, catalog, directory, options);
    const files = await catalog.files({ kind: 'pending' });
    if (files.length > 0) {
      await duck.run(
        `insert into ${waiting} select * replace ('' as segment), key is not null, null from ${directory.source(files)}`,
      );
      await joiner.#count();
    }
    return joiner;
  }

  get stats(): JoinerStats {
    return { pending: this.#pending, expiredTotal: this.#expiredTotal, matchedTotal: this.#matchedTotal };
  }

  /** Segments with labels that were not yet compared with everything, so that they must not be sealed. */
  async unfinishedSegments(): Promise<Set<string>> {
    const [segments = []] = await this.#duck.columns(
      `select segment from ${labelInbox} union select segment from ${waiting} where is_due`,
    );
    return new Set(segments.map(String));
  }

  /** Compares what is new since the last call; returns the spans whose ground truth changed. */
  async matchNew(nowMs: number): Promise<ChangedRange[]> {
    const tables = this.#hot.tables.map(hot => ({ hot, rows: hot.rows }));
    const labelRows = this.#hot.labelRows;
    const hasNewRows = tables.some(({ hot, rows }) => hot.matchedRows < rows);
    let found = 0;
    if (hasNewRows && this.#waitingRows > 0) found += await this.#matchWaiting(nowMs);
    if (labelRows > this.#labelRows) found += await this.#matchInbox(nowMs);
    if (this.#dueRows > 0 && nowMs - this.#lastKeyPassMs >= this.#options.keyPassMs) {
      found += await this.#matchDueKeys(nowMs);
    }
    for (const { hot, rows } of tables) hot.matchedRows = rows;
    this.#labelRows = labelRows;
    const changed = found === 0 ? [] : await this.#takeMatched(found);
    if (this.#waitingRows > 0) await this.#sweep(nowMs);
    return changed;
  }

  /** New predictions against the labels that waited for them. */
  async #matchWaiting(nowMs: number): Promise<number> {
    let found = 0;
    for (const [model, tables] of byModel(this.#hot.tables.filter(hot => hot.matchedRows < hot.rows))) {
      const fresh = tables.map(hot => ({ ...hotPredictions(hot), where: `rowid >= ${hot.matchedRows}` }));
      found += await this.#match(waiting, model, fresh, 'prediction_id');
      if (tables.some(hot => hot.hasKeys)) found += await this.#match(waiting, model, fresh, 'key');
    }
    if (found > 0) await this.#markMatched(nowMs);
    return found;
  }

  /** New labels against all predictions, except sealed ones by key, whose turn comes with others. */
  async #matchInbox(nowMs: number): Promise<number> {
    let found = 0;
    const groups = await this.#duck.rows(
      `select model, min(prediction_id) as low, max(prediction_id) as high, count(key) as keys from ${labelInbox} group by model`,
    );
    for (const { model, low, high, keys } of groups) {
      const tables = this.#hot.tables.filter(hot => hot.schema.model === model);
      if (typeof low === 'string' && typeof high === 'string') {
        const sealed = await this.#sealedWithin(String(model), low, high);
        found += await this.#match(
          labelInbox,
          String(model),
          [...tables.map(hotPredictions), ...sealed],
          'prediction_id',
        );
      }
      const keyed = tables.filter(hot => hot.hasKeys);
      if (asNumber(keys) > 0) found += await this.#match(labelInbox, String(model), keyed.map(hotPredictions), 'key');
    }
    await this.#settleInbox(nowMs);
    return found;
  }

  /** Sealed predictions among which the ids from `low` to `high` may be: ids grow with time, so these are few files. */
  async #sealedWithin(model: string, low: string, high: string): Promise<Predictions[]> {
    const candidates = (await this.#catalog.files({ kind: 'predictions', model })).filter(
      file => (file.min_id ?? '') <= high && (file.max_id ?? '') >= low,
    );
    if (candidates.length === 0) return [];
    const ranges = candidates.map((file, i) => `(${i}, ${literal(file.min_id ?? '')}, ${literal(file.max_id ?? '')})`);
    const [hits = []] = await this.#duck.columns(
      `select i from (values ${ranges.join(', ')}) as f(i, low, high) where exists (
        select 1 from ${labelInbox} l where l.prediction_id between f.low and f.high and l.model = ${literal(model)})`,
    );
    const files = hits.map(hit => candidates[asNumber(hit)]!);
    const where = `prediction_id between ${literal(low)} and ${literal(high)}`;
    return sealedPredictions(this.#directory, files).map(one => ({ ...one, where }));
  }

  /**
   * Moves new labels to the waiting ones, without those that are settled: they named their prediction by its id, and no
   * other version answers the model's requests.
   */
  async #settleInbox(nowMs: number): Promise<void> {
    const shared = [...byModel(this.#hot.tables)]
      .filter(([, tables]) => tables.some(hot => hot.schema.version !== tables[0]!.schema.version))
      .map(([model]) => model);
    const found = `l.rowid in (select label from matched where is_new)`;
    await this.#duck.run(
      `insert into ${waiting} select l.*, l.key is not null, case when ${found} then ${nowMs} else null end
       from ${labelInbox} l where l.key is not null or l.model in (${list(new Set(shared))}) or not ${found}`,
    );
    await this.#duck.run(`create or replace table ${labelInbox} as select * from ${labelInbox} limit 0`);
    await this.#count();
  }

  /** Labels by key against sealed predictions: keys have no order, so every file with keys has to be looked at. */
  async #matchDueKeys(nowMs: number): Promise<number> {
    this.#lastKeyPassMs = nowMs;
    let found = 0;
    const [models = []] = await this.#duck.columns(`select distinct model from ${waiting} where is_due`);
    for (const model of models.map(String)) {
      const files = await this.#catalog.files({ kind: 'predictions', model });
      const keyed = sealedPredictions(
        this.#directory,
        files.filter(file => file.has_keys === 1),
      );
      found += await this.#match(waiting, model, keyed, 'key', 'l.is_due');
    }
    if (found > 0) await this.#markMatched(nowMs);
    await this.#duck.run(`update ${waiting} set is_due = false where is_due`);
    this.#dueRows = 0;
    return found;
  }

  async #match(
    labels: string,
    model: string,
    predictions: readonly Predictions[],
    by: 'prediction_id' | 'key',
    only = 'true',
  ): Promise<number> {
    if (predictions.length === 0) return 0;
    const sources = predictions.map(
      one =>
        `select prediction_id, ${by} as name, event_ms, ${one.version} as version from ${one.source} where ${one.where}`,
    );
    return this.#duck.change(
      `insert into matched select ${labels === labelInbox}, l.rowid, l.model, p.version, p.prediction_id, p.event_ms,
        l.value, l.event_ms, l.received_ms, l.segment
       from (${sources.join(' union all ')}) p join ${labels} l on l.${by} = p.name
       where l.model = ${literal(model)} and ${only}`,
    );
  }

  async #markMatched(nowMs: number): Promise<void> {
    await this.#duck.run(
      `update ${waiting} set matched_ms = ${nowMs} where matched_ms is null
       and rowid in (select label from matched where not is_new)`,
    );
  }

  /** Empties the table of matches into the truth, and says which spans it concerns. */
  async #takeMatched(found: number): Promise<ChangedRange[]> {
    this.#matchedTotal += found;
    const [models = [], versions = [], minutes = []] = await this.#duck.columns(
      `select model, version, cast(floor(prediction_event_ms / ${minuteMs}) as bigint) as minute
       from matched group by all order by all`,
    );
    await this.#duck.run(`insert into ${truthHot} select model, version, ${truthColumns}, segment from matched`);
    await this.#duck.run('create or replace table matched as select * from matched limit 0');
    await this.#count();
    const ranges: { model: string; version: number; fromMs: number; toMs: number }[] = [];
    for (let i = 0; i < models.length; i++) {
      const fromMs = asNumber(minutes[i]) * minuteMs;
      const last = ranges.at(-1);
      const version = asNumber(versions[i]);
      if (last !== undefined && last.model === models[i] && last.version === version && last.toMs === fromMs) {
        last.toMs += minuteMs;
      } else ranges.push({ model: String(models[i]), version, fromMs, toMs: fromMs + minuteMs });
    }
    return ranges;
  }

  async #count(): Promise<void> {
    const [counts] = await this.#duck.rows(
      `select count(*) as all_rows, count(*) filter (matched_ms is null) as pending,
       count(*) filter (is_due) as due from ${waiting}`,
    );
    this.#waitingRows = asNumber(counts?.all_rows);
    this.#pending = asNumber(counts?.pending);
    this.#dueRows = asNumber(counts?.due);
  }

  /** Lets go of labels that are settled, too old or too many. */
  async #sweep(nowMs: number): Promise<void> {
    if (nowMs - this.#lastSweepMs < sweepEveryMs) return;
    this.#lastSweepMs = nowMs;
    const { pendingAgeMs, mostPending } = this.#options;
    const isSettled = `matched_ms < ${nowMs - lingerMs} and not is_due`;
    const isOld = `matched_ms is null and received_ms < ${nowMs - pendingAgeMs}`;
    const [counts] = await this.#duck.rows(
      `select count(*) filter (${isSettled}) as settled, count(*) filter (${isOld}) as old from ${waiting}`,
    );
    const old = asNumber(counts?.old);
    const excess = Math.max(0, this.#pending - old - mostPending);
    const removable = asNumber(counts?.settled) + old + excess;
    const isWorthwhile = removable >= Math.min(sweepRows, this.#waitingRows) && removable * 5 >= this.#waitingRows;
    if (removable === 0 || !(isWorthwhile || excess > mostPending / 10)) return;
    await this.#duck.run(
      `create or replace table ${waiting} as select * from ${waiting} where not coalesce(${isSettled}, false)
       and not coalesce(${isOld}, false)
       ${excess === 0 ? '' : `order by matched_ms is not null, received_ms offset ${excess}`}`,
    );
    this.#expiredTotal += old + excess;
    await this.#count();
  }

  /** Query for the matches that sealing these segments makes durable. */
  persistedTruth(segments: ReadonlySet<string>): string {
    return `from ${truthHot} where segment = '' or segment in (${list(segments)})`;
  }

  /** Query for the labels that still wait when these segments are sealed. */
  persistedWaiting(segments: ReadonlySet<string>): string {
    const names = labelColumns.map(column => column.name).join(', ');
    return `select ${names} from ${waiting} where matched_ms is null and segment in (${list(segments)})`;
  }

  /** All labels that wait and whose segment is sealed: what a merged file of waiting labels holds. */
  sealedWaiting(): string {
    const names = labelColumns.map(column => column.name).join(', ');
    return `select ${names} from ${waiting} where matched_ms is null and segment = ''`;
  }

  /** These segments were sealed: their matches are read from files from now on. */
  async forgetSealed(segments: ReadonlySet<string>): Promise<void> {
    await this.#duck.run(`update ${waiting} set segment = '' where segment in (${list(segments)})`);
    await this.#duck.run(
      `create or replace table ${truthHot} as select * from ${truthHot}
       where segment <> '' and segment not in (${list(segments)})`,
    );
  }
}

function list(segments: ReadonlySet<string>): string {
  return segments.size === 0 ? 'null' : [...segments].map(literal).join(', ');
}

function byModel(tables: readonly HotTable[]): Map<string, HotTable[]> {
  return Map.groupBy(tables, hot => hot.schema.model);
}

function hotPredictions(hot: HotTable): Predictions {
  return { version: hot.schema.version, source: hot.table, where: 'true' };
}

/** One source per layout, since files of one query must be alike. */
function sealedPredictions(directory: SealedDirectory, files: readonly SealedFile[]): Predictions[] {
  return [...Map.groupBy(files, file => `${file.version} ${file.schema_id}`).values()].map(group => ({
    version: group[0]!.version,
    source: directory.source(group),
    where: 'true',
  }));
}
