import { OnnxError } from '../../onnx-error.ts';
import { WireReader } from '../../wire/wire-reader.ts';
import type { SourceFile } from '../convert.ts';
import { readShape } from './read-graph-def.ts';
import { readSortedTable } from './sorted-table.ts';
import { elementTotal, type TfTensor, tfType } from './tf-graph.ts';

/** The variables of a checkpoint: `variables.index` and its data shards. */
export class TensorBundle {
  readonly #entries = new Map<string, Uint8Array>();
  readonly #shards: readonly SourceFile[];
  #shardCount = 1;

  /** @throws OnnxError `missing_file`, `truncated`, `source_malformed` */
  constructor(index: Uint8Array, shards: readonly SourceFile[]) {
    this.#shards = shards;
    for (const { key, value } of readSortedTable(index)) {
      if (key === '') this.#shardCount = readHeader(value);
      else this.#entries.set(key, value);
    }
  }

  get names(): readonly string[] {
    return [...this.#entries.keys()];
  }

  /**
   * The tensor of a key, or undefined when the checkpoint has none.
   * @throws OnnxError `missing_file`, `truncated`, `source_malformed`
   */
  read(key: string): TfTensor | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    const { dtype, dims, shard, offset, size } = readBundleEntry(entry, key);
    const suffix = `.data-${String(shard).padStart(5, '0')}-of-${String(this.#shardCount).padStart(5, '0')}`;
    const file = this.#shards.find(({ name }) => name.endsWith(suffix));
    if (file === undefined)
      throw new OnnxError('missing_file', `The variables file "variables${suffix}" is missing; give the whole folder.`);
    if (offset + size > file.bytes.length)
      throw new OnnxError(
        'truncated',
        `The variable "${key}" needs bytes ${offset} to ${offset + size} of a variables file of ${file.bytes.length}; copy it again.`,
        { node: key },
      );
    const total = elementTotal(dims, key);
    const { bytes } = tfType(dtype);
    if (bytes > 0 && total * bytes !== size)
      throw new OnnxError('source_malformed', `The variable "${key}" has ${size} bytes for ${total} elements.`, {
        node: key,
      });
    return { dtype, dims, bytes: file.bytes.subarray(offset, offset + size) };
  }
}

/** BundleHeaderProto: num_shards = 1, endianness = 2. */
function readHeader(value: Uint8Array): number {
  const reader = new WireReader(value);
  let shards = 1;
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === 8) shards = reader.varintInt32();
    else if (tag === 16 && reader.varintInt32() !== 0)
      throw new OnnxError('source_malformed', 'The variables are stored big-endian; save the model again.');
    else if (tag !== 16) reader.skip(tag);
  }
  return shards;
}

interface BundleEntry {
  readonly dtype: number;
  readonly dims: readonly number[];
  readonly shard: number;
  readonly offset: number;
  readonly size: number;
}

/** BundleEntryProto: dtype = 1, shape = 2, shard_id = 3, offset = 4, size = 5, crc32c = 6, slices = 7. */
function readBundleEntry(value: Uint8Array, key: string): BundleEntry {
  const reader = new WireReader(value);
  let entry: BundleEntry = { dtype: 0, dims: [], shard: 0, offset: 0, size: 0 };
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === 8) entry = { ...entry, dtype: reader.varintInt32() };
    else if (tag === 18) entry = { ...entry, dims: (readShape(reader.message()) ?? []).map(dim => dim ?? -1) };
    else if (tag === 24) entry = { ...entry, shard: reader.varintInt32() };
    else if (tag === 32) entry = { ...entry, offset: reader.varintNumber() };
    else if (tag === 40) entry = { ...entry, size: reader.varintNumber() };
    else if (tag === 58)
      throw new OnnxError(
        'source_malformed',
        `The variable "${key}" is stored in slices; save the model in one piece.`,
        {
          node: key,
        },
      );
    else reader.skip(tag);
  }
  return entry;
}
