import type { Signature } from '@holdfast/api';
import { createRng } from '@holdfast/stats';
import { monitorsSchema } from '../config/index.ts';
import type { ErrorChunk, LabelChunk, LogChunk, LogColumn, PredictionChunk, Watermarks } from '../predlog/index.ts';
import { openDatabase } from '../storage/index.ts';
import type { ChunkSource, GroundTruth, JoinedWindow, TruthSpan } from './ground-truth.ts';
import type { MonitoredModel } from './monitored-model.ts';
import { ReferenceBuilder } from './profiles/build-reference.ts';
import type { ColumnValues } from './profiles/column-values.ts';
import type { BaselineProfile } from './profiles/reference.ts';
import { type MonitoringTables, monitoringMigrations } from './store/schema.ts';
import type { WatchDatabase } from './store/watch-store.ts';

/** For tests of this room: a model with two numbers and a category in, a probability and a class out. */
export const sampleSignature: Signature = {
  inputs: [
    { name: 'amount', datatype: 'FP64', shape: [-1], optional: false },
    { name: 'age', datatype: 'FP64', shape: [-1], optional: false },
    { name: 'country', datatype: 'BYTES', shape: [-1], optional: false },
  ],
  outputs: [
    { name: 'score', datatype: 'FP64', shape: [-1], optional: false },
    { name: 'label', datatype: 'INT64', shape: [-1], optional: false },
  ],
  columns: [
    { name: 'amount', role: 'input', tensor: 'amount', index: 0, kind: 'numeric', pii: false },
    { name: 'age', role: 'input', tensor: 'age', index: 0, kind: 'numeric', minimum: 0, maximum: 120, pii: false },
    { name: 'country', role: 'input', tensor: 'country', index: 0, kind: 'categorical', pii: false },
    { name: 'score', role: 'output', tensor: 'score', index: 0, kind: 'numeric', pii: false },
    { name: 'label', role: 'output', tensor: 'label', index: 0, kind: 'categorical', pii: false },
  ],
  task: { kind: 'binary', score: 'score', label: 'label', positiveClass: '1', threshold: 0.5 },
};

export interface SampleRow {
  readonly eventMs: number;
  readonly amount: number;
  readonly age: number;
  /** Empty for missing. */
  readonly country: string;
  readonly score: number;
  readonly truth: string;
}

export interface SampleWorld {
  /** Added to every amount. */
  readonly shift?: number;
  /** Share of amounts that are missing. */
  readonly missing?: number;
  /** How well scores separate the classes, 0 (not) to 1. */
  readonly skill?: number;
  readonly countries?: readonly string[];
}

/** Rows one `stepMs` apart from `startMs` on. */
export function sampleRows(
  seed: number,
  count: number,
  startMs: number,
  stepMs: number,
  world: SampleWorld = {},
): SampleRow[] {
  const rng = createRng(seed);
  const { shift = 0, missing = 0, skill = 0.6, countries = ['de', 'fr', 'fr', 'us', 'us', 'us'] } = world;
  return Array.from({ length: count }, (_, i) => {
    const isPositive = rng.bernoulli(0.3);
    const score = Math.min(0.999, Math.max(0.001, rng.next() * (1 - skill) + (isPositive ? skill : 0)));
    return {
      eventMs: startMs + i * stepMs,
      amount: rng.bernoulli(missing) ? Number.NaN : Math.exp(rng.normal()) * 10 + shift,
      age: Math.round(40 + 10 * rng.normal()),
      country: rng.pick(countries),
      score,
      truth: isPositive ? '1' : '0',
    };
  });
}

function columnsOfRows(rows: readonly SampleRow[]): LogColumn[] {
  const numeric = (name: 'amount' | 'age' | 'score', role: 'input' | 'output'): LogColumn => {
    const values = Float64Array.from(rows, row => row[name]);
    return { kind: 'numeric', name, role, values, missing: values.filter(Number.isNaN).length };
  };
  const texts = (name: string, role: 'input' | 'output', of: (row: SampleRow) => string): LogColumn => {
    const dictionary = [...new Set(rows.map(of))].filter(text => text !== '');
    const codes = Int32Array.from(rows, row => dictionary.indexOf(of(row)));
    return { kind: 'categorical', name, role, dictionary, codes, missing: codes.filter(code => code < 0).length };
  };
  return [
    numeric('amount', 'input'),
    numeric('age', 'input'),
    texts('country', 'input', row => row.country),
    numeric('score', 'output'),
    texts('label', 'output', row => (row.score >= 0.5 ? '1' : '0')),
  ];
}

/** A baseline made of these rows, in blocks of 100. */
export function sampleBaseline(rows: readonly SampleRow[]): BaselineProfile {
  const columns = new Map<string, ColumnValues>(columnsOfRows(rows).map(column => [column.name, column]));
  const builder = new ReferenceBuilder(sampleSignature, name => {
    const values = columns.get(name);
    if (values === undefined) return undefined;
    if (values.kind === 'numeric') return values;
    const counts = new Map<string, number>();
    for (const code of values.codes) {
      if (code >= 0) counts.set(values.dictionary[code]!, (counts.get(values.dictionary[code]!) ?? 0) + 1);
    }
    return { kind: 'categorical', counts };
  });
  builder.add(
    rows.length,
    name => columns.get(name),
    row => Math.floor(row / 100),
  );
  return builder.finish({ source: 'baseline', blockMs: null });
}

export function sampleModel(more: {
  readonly baseline?: BaselineProfile;
  readonly monitors?: Parameters<typeof monitorsSchema.parse>[0];
  readonly version?: number;
}): MonitoredModel {
  return {
    name: 'sample',
    version: more.version ?? 1,
    signature: sampleSignature,
    monitors: monitorsSchema.parse(more.monitors ?? {}),
    baseline: more.baseline,
  };
}

/** A log in memory that is written and read like the real one. Chunks take one byte per row. */
export class SampleLog implements ChunkSource {
  readonly chunks: LogChunk[] = [];
  readonly finished: readonly string[] = [];
  readonly #segment: string;
  #end = 0;
  #read = 0;
  #nextId = 0;

  constructor(segment = 'seg-1') {
    this.#segment = segment;
  }

  #place(bytes: number): { segment: string; offset: number; end: number } {
    const offset = this.#end;
    this.#end += Math.max(1, bytes);
    return { segment: this.#segment, offset, end: this.#end };
  }

  /** One request per row. */
  predictions(rows: readonly SampleRow[], more: { readonly version?: number; readonly isWall?: boolean } = {}): this {
    const eventMs = Float64Array.from(rows, row => row.eventMs);
    const chunk: PredictionChunk = {
      kind: 'predictions',
      place: this.#place(rows.length),
      model: 'sample',
      version: more.version ?? 1,
      rows: rows.length,
      eventMs,
      explicitEventRows: more.isWall === true ? 0 : rows.length,
      receivedMs: more.isWall === true ? eventMs : eventMs.map(ms => ms + 1e9),
      requests: {
        count: rows.length,
        firstRow: Int32Array.from({ length: rows.length + 1 }, (_, i) => i),
        ids: rows.map(() => `p-${this.#nextId++}`),
        keys: rows.map(() => undefined),
        tags: rows.map(() => undefined),
        latencyUs: Float64Array.from(rows, (_, i) => 1000 + (i % 50) * 10),
      },
      columns: columnsOfRows(rows),
    };
    this.chunks.push(chunk);
    return this;
  }

  errors(counts: ErrorChunk['counts']): this {
    this.chunks.push({ kind: 'errors', place: this.#place(1), counts });
    return this;
  }

  labels(values: readonly string[]): this {
    const chunk: LabelChunk = {
      kind: 'labels',
      place: this.#place(values.length),
      model: 'sample',
      rows: values.length,
      predictionIds: values.map(() => undefined),
      keys: values.map(() => undefined),
      values,
      eventMs: new Float64Array(values.length),
      receivedMs: 0,
    };
    this.chunks.push(chunk);
    return this;
  }

  get watermarks(): Watermarks {
    const last = this.chunks[this.#read - 1];
    return last === undefined ? {} : { [this.#segment]: last.place.end };
  }

  async readNew(): Promise<readonly LogChunk[]> {
    const fresh = this.chunks.slice(this.#read);
    this.#read = this.chunks.length;
    return fresh;
  }

  /** A reader that starts from the beginning and stops after each of these numbers of chunks. */
  reader(cuts: readonly number[] = []): ChunkSource {
    return new SampleReader(this.chunks, cuts, this.#segment);
  }
}

class SampleReader implements ChunkSource {
  readonly finished: readonly string[] = [];
  readonly #chunks: readonly LogChunk[];
  readonly #cuts: number[];
  readonly #segment: string;
  #read = 0;

  constructor(chunks: readonly LogChunk[], cuts: readonly number[], segment: string) {
    this.#chunks = chunks;
    this.#cuts = [...cuts];
    this.#segment = segment;
  }

  get watermarks(): Watermarks {
    const last = this.#chunks[this.#read - 1];
    return last === undefined ? {} : { [this.#segment]: last.place.end };
  }

  async readNew(): Promise<readonly LogChunk[]> {
    const end = Math.min(this.#chunks.length, this.#read + (this.#cuts.shift() ?? this.#chunks.length));
    const fresh = this.#chunks.slice(this.#read, end);
    this.#read = end;
    return fresh;
  }
}

/** Ground truth that a test reveals by hand. */
export class SampleTruth implements GroundTruth {
  readonly #rows: { readonly row: SampleRow; readonly version: number; isKnown: boolean }[] = [];
  #changed: TruthSpan[] = [];

  add(rows: readonly SampleRow[], version = 1): void {
    for (const row of rows) this.#rows.push({ row, version, isKnown: false });
  }

  /** Makes the truth of all rows before this time known. */
  reveal(beforeMs: number): void {
    for (const entry of this.#rows) {
      if (entry.isKnown || entry.row.eventMs >= beforeMs) continue;
      entry.isKnown = true;
      const { eventMs } = entry.row;
      this.#changed.push({ model: 'sample', version: entry.version, fromMs: eventMs, toMs: eventMs + 1 });
    }
  }

  async ingest(): Promise<void> {}

  async matchNew(): Promise<readonly TruthSpan[]> {
    return this.#changed.splice(0);
  }

  async scoredWindow(query: TruthSpan): Promise<JoinedWindow> {
    const inside = this.#rows.filter(
      ({ row, version }) => version === query.version && row.eventMs >= query.fromMs && row.eventMs < query.toMs,
    );
    const known = inside.filter(entry => entry.isKnown);
    return {
      predictions: inside.length,
      columns: new Map<string, Float64Array | readonly string[]>([
        ['score', Float64Array.from(known, ({ row }) => row.score)],
        ['label', known.map(({ row }) => (row.score >= 0.5 ? '1' : '0'))],
      ]),
      truth: known.map(({ row }) => row.truth),
    };
  }

  async seal(): Promise<readonly string[]> {
    return [];
  }

  async tidy(): Promise<void> {}
}

export function sampleDatabase(path = ':memory:'): Promise<WatchDatabase> {
  return openDatabase<MonitoringTables>({ path, migrations: monitoringMigrations, durability: 'normal' });
}
