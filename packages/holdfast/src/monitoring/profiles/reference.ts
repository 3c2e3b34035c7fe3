/** What a numeric column looked like when it was right. */
export interface NumericReference {
  readonly kind: 'numeric';
  readonly name: string;
  readonly role: 'input' | 'output';
  /** Inner cut points of open-ended bins at quantiles, ascending: bin i holds edges[i-1] < x <= edges[i]. */
  readonly edges: readonly number[];
  /** Rows per bin; one more than edges. */
  readonly counts: readonly number[];
  readonly missing: number;
  /** Values that are no number. */
  readonly invalid: number;
  readonly mean: number;
  readonly standardDeviation: number;
  /** Of the finite values; null when there is none. */
  readonly minimum: number | null;
  readonly maximum: number | null;
  /** Values outside this count as range violations: what the signature allows, otherwise what the baseline held. */
  readonly range: { readonly minimum: number; readonly maximum: number; readonly declared: boolean } | null;
}

/** What a categorical column looked like when it was right. */
export interface CategoricalReference {
  readonly kind: 'categorical';
  readonly name: string;
  readonly role: 'input' | 'output';
  /** The most frequent categories, most frequent first. */
  readonly categories: readonly string[];
  /** Rows per category. */
  readonly counts: readonly number[];
  /** Further categories that the baseline had; live rows with one of them are `other`, not `unseen`. */
  readonly otherCategories: readonly string[];
  readonly other: number;
  readonly missing: number;
  /** True when the baseline had more categories than are kept by name, so that new ones cannot be told apart. */
  readonly truncated: boolean;
}

/** A column whose values are not compared (text, ids, times, embeddings): only its missing share is watched. */
export interface OpaqueReference {
  readonly kind: 'opaque';
  readonly name: string;
  readonly role: 'input' | 'output';
  readonly missing: number;
}

export type ReferenceColumn = NumericReference | CategoricalReference | OpaqueReference;

/**
 * Cells of one column as the tests see them, missing last: numeric columns have their bins, categorical ones their
 * categories, then `other`, then `unseen`; opaque ones `present`.
 */
export function cellsOf(column: ReferenceColumn): number {
  switch (column.kind) {
    case 'numeric':
      return column.counts.length + 1;
    case 'categorical':
      return column.categories.length + 3;
    case 'opaque':
      return 2;
    default:
      return column satisfies never;
  }
}

/**
 * Counts per block of neighbouring baseline rows and cell: the raw material of calibration. A block is one step of the
 * time column, or so many consecutive rows.
 */
export interface BaselineBlocks {
  /** Length of a block when the baseline has a time column, otherwise null. */
  readonly blockMs: number | null;
  /** Rows of each block, in order of time. */
  readonly rows: readonly number[];
  /** Per column of the profile: base64 of run-length and LEB128 coded counts, block after block, `cellsOf` cells each. */
  readonly counts: readonly string[];
}

/** A metric measured on the baseline, with its standard error. */
export interface BaselineMetric {
  readonly value: number;
  readonly standardError: number | null;
}

/** The reference data of one version, small enough to travel as JSON. */
export interface BaselineProfile {
  readonly format: 1;
  /** `live`: no baseline was given, so the first live rows became the reference. */
  readonly source: 'baseline' | 'live';
  readonly rows: number;
  readonly columns: readonly ReferenceColumn[];
  readonly blocks: BaselineBlocks;
  /** Metrics of the model on the baseline's own ground truth; empty without a truth column. */
  readonly performance: Readonly<Record<string, BaselineMetric>>;
  readonly labelled: number;
}

/** The profile in JSON that `prepareBaseline` made. @throws Error when it is of another format */
export function parseBaselineProfile(json: string): BaselineProfile {
  const profile: unknown = JSON.parse(json);
  if (!isBaselineProfile(profile))
    throw new Error('the baseline profile has an unknown format; deploy the baseline again');
  return profile;
}

/** Only this program writes profiles, under a digest of their bytes, so the format number says everything. */
function isBaselineProfile(value: unknown): value is BaselineProfile {
  return typeof value === 'object' && value !== null && 'format' in value && value.format === 1;
}
