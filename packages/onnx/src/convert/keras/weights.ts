import { OnnxError } from '../../onnx-error.ts';

/** One stored array, with its elements as little-endian float32; a view of the file where it holds them so. */
export interface Weight {
  readonly name: string;
  readonly dims: readonly number[];
  /** Reads the elements; nothing is unpacked before. */
  readonly raw: () => Uint8Array;
}

/** What tells the layers of a model apart in a file. */
export interface LayerPlace {
  readonly name: string;
  readonly className: string;
  /** Names of layers inside. */
  readonly inner?: readonly string[];
}

/** The weights of one layer, read in the order in which the layer made them. */
export interface LayerWeights {
  /** Next own weight, or undefined when there are no more. */
  next(): Weight | undefined;
  /** Weights of a layer inside, by the attribute that holds it. */
  child(...attributes: readonly string[]): LayerWeights;
  /** Weights of the layers of a model inside, by their place and name. */
  model(layers: readonly LayerPlace[]): (index: number) => LayerWeights;
  /** How many own weights were not read. */
  left(): number;
}

/** Weights kept as one list per layer, as HDF5 files of whole models and TF.js have them. */
export class ListedWeights implements LayerWeights {
  readonly #list: readonly Weight[];
  readonly #place: string;
  #next = 0;

  constructor(list: readonly Weight[], place: string) {
    this.#list = list;
    this.#place = place;
  }

  next(): Weight | undefined {
    return this.#list[this.#next++];
  }

  child(): LayerWeights {
    return this;
  }

  left(): number {
    return Math.max(0, this.#list.length - this.#next);
  }

  /** Shares the list out by the layer that each weight's path names; the order within a layer is kept. */
  model(layers: readonly LayerPlace[]): (index: number) => LayerWeights {
    const rest = this.#list.slice(this.#next);
    this.#next = this.#list.length;
    const shares = layers.map((): Weight[] => []);
    for (const weight of rest) {
      const owner = ownerOf(weight.name, layers);
      if (owner === undefined)
        throw new OnnxError(
          'unsupported_source',
          `The weight "${weight.name}" of "${this.#place}" cannot be told to belong to one of its layers; save the model in the .keras format.`,
          { node: this.#place },
        );
      shares[owner]!.push(weight);
    }
    return index => new ListedWeights(shares[index] ?? [], layers[index]?.name ?? '');
  }
}

/** The layer that a path like `tower/dense_1/kernel:0` names; old versions add a running number to it. */
function ownerOf(path: string, layers: readonly LayerPlace[]): number | undefined {
  const parts = path.split('/').slice(0, -1);
  const named = (test: (layer: LayerPlace, part: string) => boolean): number | undefined => {
    for (const part of parts) {
      const owners = layers.flatMap((layer, i) => (test(layer, part) ? [i] : []));
      if (owners.length === 1) return owners[0];
      if (owners.length > 1) return undefined;
    }
    return undefined;
  };
  return (
    named((layer, part) => layer.name === part) ??
    named((layer, part) => layer.inner?.includes(part) === true) ??
    named((layer, part) => layer.name === part.replace(/_\d+$/, ''))
  );
}

/** A weight whose elements are turned into float32 when read. @throws OnnxError `unsupported_source` */
export function weightOf(name: string, dims: readonly number[], dtype: string, raw: () => Uint8Array): Weight {
  const widen = widened[dtype];
  if (dtype === 'float32') return { name, dims, raw };
  if (widen === undefined)
    throw new OnnxError('unsupported_source', `The weight "${name}" has elements of type ${dtype}.`, { node: name });
  return {
    name,
    dims,
    raw: () => {
      const source = raw();
      const view = new DataView(source.buffer, source.byteOffset, source.byteLength);
      const { bytes, read } = widen;
      const out = Float32Array.from({ length: Math.floor(source.length / bytes) }, (_, i) => read(view, i * bytes));
      return new Uint8Array(out.buffer);
    },
  };
}

const widened: Readonly<Record<string, { readonly bytes: number; read(view: DataView, at: number): number }>> = {
  float64: { bytes: 8, read: (view, at) => view.getFloat64(at, true) },
  float16: { bytes: 2, read: (view, at) => halfToNumber(view.getUint16(at, true)) },
  int64: { bytes: 8, read: (view, at) => Number(view.getBigInt64(at, true)) },
  uint64: { bytes: 8, read: (view, at) => Number(view.getBigUint64(at, true)) },
  int32: { bytes: 4, read: (view, at) => view.getInt32(at, true) },
  uint32: { bytes: 4, read: (view, at) => view.getUint32(at, true) },
  int16: { bytes: 2, read: (view, at) => view.getInt16(at, true) },
  uint16: { bytes: 2, read: (view, at) => view.getUint16(at, true) },
  int8: { bytes: 1, read: (view, at) => view.getInt8(at) },
  uint8: { bytes: 1, read: (view, at) => view.getUint8(at) },
};

/** The value of an IEEE 754 half-precision number. */
export function halfToNumber(half: number): number {
  const sign = (half & 0x8000) !== 0 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 0x3ff;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
