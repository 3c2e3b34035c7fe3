import { type BaselineFormat, fault, type Signature } from '@holdfast/api';
import { type ColumnSample, ReferenceBuilder } from '../profiles/build-reference.ts';
import type { BaselineProfile } from '../profiles/reference.ts';
import { matchColumns } from './baseline-columns.ts';
import { BaselineReader, concatenated, type ScoreRows } from './baseline-reader.ts';
import { BaselineTable } from './baseline-table.ts';
import { LabelledRows } from './labelled-rows.ts';
import { planBlocks } from './plan-blocks.ts';

export interface PrepareBaselineOptions {
  readonly path: string;
  readonly format: BaselineFormat;
  readonly signature: Signature;
  /** Column with ground truth; `label`, `target`, `truth` or `y` when undefined, unless the model has a column so named. */
  readonly truthColumn?: string | undefined;
  /** Column with the event time: its days (or hours) are the blocks that thresholds are learned from. */
  readonly timeColumn?: string | undefined;
  /** Scores the rows when the file lacks the model's outputs; without it only inputs are watched. */
  readonly score?: ScoreRows | undefined;
}

/** Fewer rows say too little about how often anything happens. */
const fewestRows = 50;
/** Rows that quantiles are taken from: with 100,000 a cut is off by a third of a percentile at most, 99 times in 100. */
const sampleRows = 100_000;

/** First pass: what bins and categories are made from. Categories of the file were counted over all of it. */
async function takeSample(
  reader: BaselineReader,
  signature: Signature,
  rows: number,
): Promise<ReadonlyMap<string, ColumnSample>> {
  const numbers = new Map<string, Float64Array[]>();
  const categories = new Map<string, Map<string, number>>();
  for await (const batch of reader.read(rows > sampleRows ? sampleRows : undefined)) {
    for (const { name } of signature.columns) {
      const values = batch.columnOf(name);
      if (values?.kind === 'numeric') {
        const parts = numbers.get(name) ?? [];
        parts.push(values.values);
        numbers.set(name, parts);
      } else if (values !== undefined && reader.categoriesOf(name) === undefined) {
        const counts = categories.get(name) ?? new Map<string, number>();
        for (const code of values.codes) {
          const text = values.dictionary[code];
          if (text !== undefined) counts.set(text, (counts.get(text) ?? 0) + 1);
        }
        categories.set(name, counts);
      }
    }
  }
  const samples = new Map<string, ColumnSample>();
  for (const { name } of signature.columns) {
    const counts = reader.categoriesOf(name) ?? categories.get(name);
    const parts = numbers.get(name);
    if (counts !== undefined) samples.set(name, { kind: 'categorical', counts });
    else if (parts !== undefined) samples.set(name, { kind: 'numeric', values: concatenated(parts) });
  }
  return samples;
}

/**
 * Reads reference data and makes the profile that live windows are compared with: bins at quantiles, categories, moments,
 * counts per block for calibration, and the model's metrics on the file's ground truth. Rows are read in batches on the
 * engine's threads, so neither memory nor the event loop feels the size of the file.
 *
 * @throws Fault `baseline_rejected` when the file cannot be read, is too short, or its columns do not match the model
 */
export async function prepareBaseline(options: PrepareBaselineOptions): Promise<BaselineProfile> {
  const { signature, truthColumn, timeColumn } = options;
  await using table = await BaselineTable.open(options.path, options.format);
  if (table.rows < fewestRows) {
    throw fault(
      'baseline_rejected',
      `it has ${table.rows} rows; at least ${fewestRows} are needed to know what is normal.`,
    );
  }
  const columns = await matchColumns(table, signature, { truthColumn, timeColumn });
  const blocks = await planBlocks(table, columns.timeMs);
  const reader = await BaselineReader.open(table, columns, options.score);
  const samples = await takeSample(reader, signature, table.rows);
  const builder = new ReferenceBuilder(signature, name => samples.get(name));
  const labelled = new LabelledRows(signature);
  let seen = 0;
  for await (const batch of reader.read()) {
    const start = seen;
    builder.add(batch.rows, batch.columnOf, row => blocks.blockOf(start + row, batch.timeMs?.[row]));
    labelled.add(batch);
    seen += batch.rows;
  }
  const { labelled: rows, metrics } = labelled.measure();
  const { invalid } = reader;
  return builder.finish({ source: 'baseline', blockMs: blocks.blockMs, performance: metrics, labelled: rows, invalid });
}
