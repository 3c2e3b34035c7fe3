import type { ColumnSpec, Signature } from '@holdfast/api';
import { quantileBinEdges } from '@holdfast/stats';
import { ProfileBatch } from './batch.ts';
import type { ColumnReader, ColumnValues } from './column-values.ts';
import { momentsOf, Profile } from './profile.ts';
import { type PlannedColumn, ProfilePlan } from './profile-plan.ts';
import type { BaselineBlocks, BaselineProfile, CategoricalReference, ReferenceColumn } from './reference.ts';
import { ByteReader, ByteWriter } from './varint.ts';

/** Bins aimed at per numeric column: a binned KS distance is off by at most 1/128 for values without ties. */
const binsPerColumn = 128;
/** Categories with a cell of their own. */
const namedCategories = 100;
/** Further categories remembered by name, to tell rare ones from unseen ones. */
const rememberedCategories = 5000;
/** Categories of a column that are worth counting: one more than are remembered tells that there are too many. */
export const mostCategories = namedCategories + rememberedCategories + 1;

/** How often each category occurs; missing values left out. */
export type CategoryCounts = ReadonlyMap<string, number>;

/** What one column of a sample looks like: numbers (NaN missing) to put the cuts at, or how often each category occurs. */
export type ColumnSample =
  | { readonly kind: 'numeric'; readonly values: Float64Array }
  | { readonly kind: 'categorical'; readonly counts: CategoryCounts };

/**
 * Builds a reference in two passes: the sample fixes bins and categories, then every row is counted into its block.
 * Rows may come in any order and in batches of any size.
 */
export class ReferenceBuilder {
  readonly #signature: Signature;
  readonly #plan: ProfilePlan;
  readonly #blocks: Profile[] = [];

  constructor(signature: Signature, sampleOf: (name: string) => ColumnSample | undefined) {
    this.#signature = signature;
    this.#plan = new ProfilePlan({ columns: signature.columns.map(spec => draftColumn(spec, sampleOf(spec.name))) });
  }

  /** Adds rows; `blockOf` names the block of a row, and rows of a block should stand together to be counted fast. */
  add(rows: number, columnOf: ColumnReader, blockOf: (row: number) => number): void {
    const batch = new ProfileBatch(this.#plan, rows, columnOf);
    for (let from = 0; from < rows; ) {
      const block = blockOf(from);
      let to = from + 1;
      while (to < rows && blockOf(to) === block) to++;
      batch.addTo([this.#block(block)], from, to);
      from = to;
    }
  }

  #block(index: number): Profile {
    let block = this.#blocks[index];
    if (block === undefined) {
      block = new Profile(this.#plan);
      this.#blocks[index] = block;
    }
    return block;
  }

  finish(options: {
    readonly source: BaselineProfile['source'];
    readonly blockMs: number | null;
    readonly performance?: BaselineProfile['performance'];
    readonly labelled?: number;
    /** Values of numeric columns that are no number, where they were counted elsewhere. */
    readonly invalid?: ReadonlyMap<string, number>;
  }): BaselineProfile {
    const blocks = this.#blocks.filter(block => block !== undefined);
    const whole = new Profile(this.#plan);
    for (const block of blocks) whole.merge(block);
    const specs = new Map(this.#signature.columns.map(spec => [spec.name, spec]));
    return {
      format: 1,
      source: options.source,
      rows: whole.rows,
      columns: this.#plan.columns.map(column => {
        const { name } = column.reference;
        return finalColumn(whole, column, specs.get(name), options.invalid?.get(name) ?? 0);
      }),
      blocks: encodeBlocks(this.#plan, blocks, options.blockMs),
      performance: options.performance ?? {},
      labelled: options.labelled ?? 0,
    };
  }
}

/** How a column is watched: its declared kind, and nothing but its missing share when there is no sample of it. */
function draftColumn(spec: ColumnSpec, sample: ColumnSample | undefined): ReferenceColumn {
  const { name, role } = spec;
  if (sample === undefined || !isCompared(spec)) return { kind: 'opaque', name, role, missing: 0 };
  if (spec.kind === 'categorical') {
    return { kind: 'categorical', name, role, missing: 0, other: 0, ...rankCategories(sample) };
  }
  const values = sample.kind === 'numeric' ? sample.values : numbersOf(sample.counts);
  const edges = Array.from(quantileBinEdges(values, binsPerColumn));
  return {
    kind: 'numeric',
    name,
    role,
    edges,
    counts: new Array<number>(edges.length + 1).fill(0),
    missing: 0,
    invalid: 0,
    ...meanAndSpread(values),
    minimum: null,
    maximum: null,
    range: declaredRange(spec),
  };
}

/**
 * Whether the distribution of a column is profiled; of the others only the missing share is. Personal data is in the log
 * as hashes, which say nothing about a baseline's values.
 */
export function isCompared(spec: ColumnSpec): boolean {
  return !spec.pii && (spec.kind === 'numeric' || spec.kind === 'categorical');
}

function rankCategories(
  sample: ColumnSample,
): Pick<CategoricalReference, 'categories' | 'counts' | 'otherCategories' | 'truncated'> {
  const counts = sample.kind === 'categorical' ? sample.counts : countNumbers(sample.values);
  const ranked = [...counts].filter(([category]) => category !== '');
  ranked.sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  const categories = ranked.slice(0, namedCategories).map(([category]) => category);
  const rest = ranked.slice(namedCategories, namedCategories + rememberedCategories).map(([category]) => category);
  return {
    categories,
    counts: new Array<number>(categories.length).fill(0),
    otherCategories: rest,
    truncated: ranked.length > namedCategories + rememberedCategories,
  };
}

function countNumbers(values: Float64Array): CategoryCounts {
  const counts = new Map<string, number>();
  for (const value of values) {
    if (Number.isNaN(value)) continue;
    const text = String(value);
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  return counts;
}

function numbersOf(counts: CategoryCounts): Float64Array {
  const values: number[] = [];
  for (const [text, count] of counts) {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (!Number.isNaN(value)) for (let i = 0; i < count; i++) values.push(value);
  }
  return Float64Array.from(values);
}

function meanAndSpread(values: Float64Array): { readonly mean: number; readonly standardDeviation: number } {
  let count = 0;
  let mean = 0;
  let squares = 0;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    count++;
    const delta = value - mean;
    mean += delta / count;
    squares += delta * (value - mean);
  }
  return { mean, standardDeviation: count > 1 ? Math.sqrt(squares / (count - 1)) : 0 };
}

function declaredRange(spec: ColumnSpec): { minimum: number; maximum: number; declared: boolean } | null {
  if (spec.minimum === undefined && spec.maximum === undefined) return null;
  return {
    minimum: spec.minimum ?? -Number.MAX_VALUE,
    maximum: spec.maximum ?? Number.MAX_VALUE,
    declared: true,
  };
}

function finalColumn(
  whole: Profile,
  column: PlannedColumn,
  spec: ColumnSpec | undefined,
  invalid: number,
): ReferenceColumn {
  const cells = whole.cells(column);
  const missing = cells[column.cells - 1]!;
  const draft = column.reference;
  switch (draft.kind) {
    case 'opaque':
      return { ...draft, missing };
    case 'categorical': {
      const named = draft.categories.length;
      return {
        ...draft,
        missing,
        counts: Array.from(cells.subarray(0, named)),
        other: cells[named]! + cells[named + 1]!,
      };
    }
    case 'numeric': {
      const moments = momentsOf(whole, column);
      const observed = moments && { minimum: moments.minimum, maximum: moments.maximum, declared: false };
      return {
        ...draft,
        counts: Array.from(cells.subarray(0, column.cells - 1)),
        missing,
        invalid: whole.counts[column.violations]! + invalid,
        mean: moments?.mean ?? 0,
        standardDeviation: moments?.standardDeviation ?? 0,
        minimum: moments?.minimum ?? null,
        maximum: moments?.maximum ?? null,
        range: (spec && declaredRange(spec)) ?? observed,
      };
    }
    default:
      return draft satisfies never;
  }
}

function encodeBlocks(plan: ProfilePlan, blocks: readonly Profile[], blockMs: number | null): BaselineBlocks {
  const counts = plan.columns.map(column => {
    const writer = new ByteWriter(blocks.length * column.cells);
    for (const block of blocks) writer.counts(block.cells(column));
    return Buffer.from(writer.finish()).toString('base64');
  });
  return { blockMs, rows: blocks.map(block => block.rows), counts };
}

/** Counts per block and cell of one column of a profile, block after block. */
export function decodeBlocks(profile: BaselineProfile, column: number, cells: number): Float64Array {
  const reader = new ByteReader(Buffer.from(profile.blocks.counts[column] ?? '', 'base64'));
  const counts = new Float64Array(profile.blocks.rows.length * cells);
  for (let block = 0; block < profile.blocks.rows.length; block++) {
    reader.counts(counts.subarray(block * cells, (block + 1) * cells));
  }
  return counts;
}

/** A sample made of all the values of a batch. */
export function sampleOfValues(values: ColumnValues): ColumnSample {
  if (values.kind === 'numeric') return { kind: 'numeric', values: values.values };
  const counts = new Map<string, number>();
  for (const code of values.codes) {
    if (code < 0) continue;
    const text = values.dictionary[code]!;
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  return { kind: 'categorical', counts };
}
