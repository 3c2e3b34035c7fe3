import type { Signature, Tensor } from '@holdfast/api';
import type { ChunkWriter } from './chunk-frame.ts';
import { logSchemaOf, type Role } from './log-schema.ts';
import type { PredictionHeader } from './prediction-header.ts';
import { RawColumn } from './raw-column.ts';
import { TensorBlock } from './tensor-block.ts';
import { narrowCodes, TextColumn } from './text-column.ts';

/** A request that was answered: one prediction per row. The serving room's record, told apart by structure. */
export interface AnsweredRequest {
  readonly model: string;
  readonly version: number;
  readonly signature: Signature;
  /** Row i of several is `<id>/<i>`, a single row is `<id>`. */
  readonly id: string;
  readonly rows: number;
  readonly receivedMs: number;
  /** The time the rows speak of, when the caller gave one. */
  readonly eventMs: number | undefined;
  /** Row i of several is `<key>/<i>`. */
  readonly key: string | undefined;
  readonly tags: string | undefined;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly latencyUs: number;
}

/** Where the values of one tensor go. */
interface Slot {
  readonly tensor: string;
  readonly block: TensorBlock | undefined;
  readonly texts: readonly TextColumn[];
  readonly raw: RawColumn | undefined;
}

const firstCapacity = 16;
/** Arrays for more rows than this are given back after they were written. */
const keptCapacity = 16_384;
/** Bookkeeping of one request in memory and on disk, besides its texts. */
const requestBytes = 64;

/** Rows of one version of one model on their way to the disk, column by column. */
export class PredictionBuffer {
  readonly #model: string;
  readonly #version: number;
  readonly #schemaLine: string;
  readonly #inputs: readonly Slot[];
  readonly #outputs: readonly Slot[];
  readonly #blocks: readonly TensorBlock[];
  readonly #texts: readonly TextColumn[];
  readonly #raws: readonly RawColumn[];
  readonly #fixedRowBytes: number;
  #capacity = 0;
  #rows = 0;
  #ids: string[] = [];
  #keys: (string | undefined)[] = [];
  #tagged = new TextColumn(0, undefined);
  readonly #tagTensor: { name: string; datatype: 'BYTES'; shape: number[]; data: string[] };
  #requestCapacity = 0;
  #rowCounts = new Uint32Array(0);
  #receivedMs = new Float64Array(0);
  #eventMs = new Float64Array(0);
  #latencyUs = new Float64Array(0);

  constructor(model: string, version: number, signature: Signature, hash: (text: string) => string) {
    this.#model = model;
    this.#version = version;
    const schema = logSchemaOf(model, version, signature);
    this.#schemaLine = JSON.stringify(schema);
    this.#tagTensor = { name: 'tags', datatype: 'BYTES', shape: [1], data: [''] };
    this.#blocks = schema.blocks.map(spec => {
      const masked = schema.columns.filter(c => c.hashed && c.role === spec.role && c.tensor === spec.tensor);
      if (spec.datatype === 'BYTES') throw new TypeError('texts are no block');
      return new TensorBlock(
        spec.datatype,
        spec.width,
        masked.map(column => column.index),
      );
    });
    const texts = new Map(
      schema.columns
        .filter(column => column.block === undefined)
        .map(column => [column, new TextColumn(column.index, column.hashed ? hash : undefined)]),
    );
    this.#texts = [...texts.values()];
    this.#raws = schema.raws.map(() => new RawColumn());
    const slots = (role: Role): Slot[] =>
      (role === 'input' ? signature.inputs : signature.outputs).map(spec => {
        const blockAt = schema.blocks.findIndex(block => block.role === role && block.tensor === spec.name);
        const rawAt = schema.raws.findIndex(raw => raw.role === role && raw.tensor === spec.name);
        const own = [...texts].filter(([column]) => column.role === role && column.tensor === spec.name);
        return {
          tensor: spec.name,
          block: this.#blocks[blockAt],
          texts: own.map(([, text]) => text),
          raw: this.#raws[rawAt],
        };
      });
    this.#inputs = slots('input');
    this.#outputs = slots('output');
    this.#fixedRowBytes = this.#blocks.reduce((sum, b) => sum + b.rowBytes, 0) + 4 * texts.size;
  }

  get rows(): number {
    return this.#rows;
  }

  /** Rows of raw tensors that were too large to keep since the last `clear`. */
  get omittedRaws(): number {
    return this.#raws.reduce((sum, raw) => sum + raw.omitted, 0);
  }

  /** Copies a request; returns the bytes that it occupies. The tensors are the caller's again afterwards. */
  append(request: AnsweredRequest): number {
    const at = this.#rows;
    const { rows } = request;
    if (at + rows > this.#capacity) this.#resizeRows(at + rows);
    const r = this.#ids.length;
    if (r >= this.#requestCapacity) this.#resizeRequests();
    this.#rowCounts[r] = rows;
    this.#receivedMs[r] = request.receivedMs;
    this.#eventMs[r] = request.eventMs ?? Number.NaN;
    this.#latencyUs[r] = request.latencyUs;
    this.#ids.push(request.id);
    this.#keys.push(request.key);
    let bytes = requestBytes + request.id.length + (request.key?.length ?? 0) + rows * this.#fixedRowBytes;
    if (request.tags === undefined) this.#tagged.miss(r, 1);
    else {
      this.#tagTensor.data[0] = request.tags;
      bytes += this.#tagged.take(this.#tagTensor, r, 1);
    }
    bytes += takeTensors(this.#inputs, request.inputs, at, rows);
    bytes += takeTensors(this.#outputs, request.outputs, at, rows);
    this.#rows = at + rows;
    return bytes;
  }

  /** Writes all rows as one chunk. */
  write(out: ChunkWriter): void {
    const rows = this.#rows;
    const requests = this.#ids.length;
    const header: PredictionHeader = {
      kind: 'predictions',
      model: this.#model,
      version: this.#version,
      rows,
      requests,
      ...this.#timeSpans(),
      hasKeys: this.#keys.some(key => key !== undefined),
      masks: this.#blocks.map(block => block.present !== undefined),
    };
    out.begin(JSON.stringify(header), this.#schemaLine);
    out.array(this.#rowCounts, requests);
    out.array(this.#receivedMs, requests);
    out.array(this.#eventMs, requests);
    out.array(this.#latencyUs, requests);
    out.texts(this.#ids);
    if (header.hasKeys) out.texts(this.#keys);
    writeTexts(out, this.#tagged, requests);
    for (const block of this.#blocks) {
      if (block.present !== undefined) out.array(block.present, rows);
      out.array(block.values, rows * block.width);
    }
    for (const text of this.#texts) writeTexts(out, text, rows);
    for (const raw of this.#raws) writeRaw(out, raw, rows);
    out.end();
  }

  /** Forgets all rows, keeping the arrays for the next ones unless they have grown large. */
  clear(): void {
    this.#rows = 0;
    this.#ids = [];
    this.#keys = [];
    this.#tagged.clear();
    for (const column of [...this.#blocks, ...this.#texts, ...this.#raws]) column.clear();
    if (this.#capacity > keptCapacity) this.#resizeRows(firstCapacity, 0);
  }

  #timeSpans(): Omit<PredictionHeader, 'kind' | 'model' | 'version' | 'rows' | 'requests' | 'hasKeys' | 'masks'> {
    let minEventMs = Number.POSITIVE_INFINITY;
    let maxEventMs = Number.NEGATIVE_INFINITY;
    let minReceivedMs = Number.POSITIVE_INFINITY;
    let maxReceivedMs = Number.NEGATIVE_INFINITY;
    let explicitRows = 0;
    for (let r = 0; r < this.#ids.length; r++) {
      const given = this.#eventMs[r]!;
      const receivedMs = this.#receivedMs[r]!;
      const isExplicit = !Number.isNaN(given);
      const eventMs = isExplicit ? given : receivedMs;
      if (isExplicit) explicitRows += this.#rowCounts[r]!;
      if (eventMs < minEventMs) minEventMs = eventMs;
      if (eventMs > maxEventMs) maxEventMs = eventMs;
      if (receivedMs < minReceivedMs) minReceivedMs = receivedMs;
      if (receivedMs > maxReceivedMs) maxReceivedMs = receivedMs;
    }
    return { minEventMs, maxEventMs, minReceivedMs, maxReceivedMs, explicitRows };
  }

  #resizeRows(needed: number, kept = this.#rows): void {
    this.#capacity = Math.max(firstCapacity, needed > this.#capacity ? this.#capacity * 2 : 0, needed);
    for (const column of [...this.#blocks, ...this.#texts, ...this.#raws]) column.resize(this.#capacity, kept);
  }

  #resizeRequests(): void {
    this.#requestCapacity = Math.max(firstCapacity, this.#requestCapacity * 2);
    const grow = (old: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> => {
      const larger = new Float64Array(this.#requestCapacity);
      larger.set(old);
      return larger;
    };
    const rowCounts = new Uint32Array(this.#requestCapacity);
    rowCounts.set(this.#rowCounts);
    this.#rowCounts = rowCounts;
    this.#receivedMs = grow(this.#receivedMs);
    this.#eventMs = grow(this.#eventMs);
    this.#latencyUs = grow(this.#latencyUs);
    this.#tagged.resize(this.#requestCapacity, this.#ids.length);
  }
}

/** Hands each tensor to its slot. Callers send tensors in the signature's order, so the first look nearly always hits. */
function takeTensors(slots: readonly Slot[], tensors: readonly Tensor[], at: number, rows: number): number {
  let bytes = 0;
  for (let i = 0; i < slots.length; i++) {
    const slot = slots[i]!;
    const guess = tensors[i];
    const tensor = guess?.name === slot.tensor ? guess : tensors.find(one => one.name === slot.tensor);
    if (tensor === undefined) {
      slot.block?.miss(at, rows);
      slot.raw?.miss(at, rows);
      for (const text of slot.texts) text.miss(at, rows);
      continue;
    }
    slot.block?.take(tensor, at, rows);
    for (const text of slot.texts) bytes += text.take(tensor, at, rows);
    if (slot.raw !== undefined) bytes += slot.raw.take(tensor, at, rows);
  }
  return bytes;
}

function writeTexts(out: ChunkWriter, column: TextColumn, count: number): void {
  out.array(new Uint32Array([column.texts.length]), 1);
  out.texts(column.texts);
  out.array(narrowCodes(column.codes, count, column.texts.length), count);
}

function writeRaw(out: ChunkWriter, raw: RawColumn, rows: number): void {
  out.array(new Uint32Array([raw.shapes.length]), 1);
  out.texts(raw.shapes);
  out.array(raw.codes, rows);
  out.array(raw.ends, rows);
  out.array(raw.bytes, rows === 0 ? 0 : raw.ends[rows - 1]!);
}
