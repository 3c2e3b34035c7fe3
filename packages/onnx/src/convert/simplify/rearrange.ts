/** Elements of `raw` in the order of the transposed tensor, whatever they mean. */
export function transposeRaw(
  raw: Uint8Array,
  dims: readonly number[],
  perm: readonly number[],
  elementBytes: number,
): Uint8Array {
  const strides = stridesOf(dims);
  return pick(
    raw,
    perm.map(axis => dims[axis]!),
    perm.map(axis => strides[axis]!),
    0,
    elementBytes,
  );
}

export function stridesOf(dims: readonly number[]): number[] {
  const strides = new Array<number>(dims.length).fill(1);
  for (let axis = dims.length - 2; axis >= 0; axis--) strides[axis] = strides[axis + 1]! * dims[axis + 1]!;
  return strides;
}

/**
 * The strided view that starts at element `offset`, written out densely.
 * @param dims shape of the view
 * @param strides elements between neighbours of each axis; 0 repeats, negative walks back
 */
export function pick(
  raw: Uint8Array,
  dims: readonly number[],
  strides: readonly number[],
  offset: number,
  elementBytes: number,
): Uint8Array {
  const count = dims.reduce((product, dim) => product * dim, 1);
  const out = new Uint8Array(count * elementBytes);
  const at = new Array<number>(dims.length).fill(0);
  const words = elementBytes === 4 && raw.byteOffset % 4 === 0;
  const from = words ? new Uint32Array(raw.buffer, raw.byteOffset, raw.length >> 2) : new Uint32Array(0);
  const to = new Uint32Array(words ? out.buffer : new ArrayBuffer(0));
  let position = offset;
  for (let i = 0; i < count; i++) {
    if (words) to[i] = from[position]!;
    else
      for (let byte = 0; byte < elementBytes; byte++)
        out[i * elementBytes + byte] = raw[position * elementBytes + byte]!;
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      position += strides[axis]!;
      at[axis]!++;
      if (at[axis]! < dims[axis]!) break;
      position -= strides[axis]! * dims[axis]!;
      at[axis] = 0;
    }
  }
  return out;
}

export function isIdentity(perm: readonly number[]): boolean {
  return perm.every((axis, i) => axis === i);
}

export function inverse(perm: readonly number[]): number[] {
  const back = new Array<number>(perm.length).fill(0);
  perm.forEach((axis, i) => {
    back[axis] = i;
  });
  return back;
}

/** The order of what is left when the axes in `gone` (of the transposed value) disappear. */
export function permWithout(perm: readonly number[], gone: ReadonlySet<number>): number[] {
  const kept = perm.filter((_, axis) => !gone.has(axis));
  const rank = new Map([...kept].sort((a, b) => a - b).map((axis, i) => [axis, i]));
  return kept.map(axis => rank.get(axis) ?? 0);
}

/** Axes counted from the front, or undefined when one is outside or named twice. */
export function normalAxes(axes: readonly number[], rank: number): number[] | undefined {
  const normal = axes.map(axis => (axis < 0 ? axis + rank : axis));
  const isValid = normal.every(axis => axis >= 0 && axis < rank) && new Set(normal).size === normal.length;
  return isValid ? normal : undefined;
}
