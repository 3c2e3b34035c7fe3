/** A value of a flatbuffer field that a test writes. */
export type FlatField =
  | { readonly kind: 'i8' | 'i32' | 'u32' | 'f32'; readonly value: number }
  | { readonly kind: 'text'; readonly value: string }
  | { readonly kind: 'bytes'; readonly value: Uint8Array; readonly itemBytes: number }
  | { readonly kind: 'texts'; readonly value: readonly string[] }
  | { readonly kind: 'table'; readonly value: FlatFields }
  | { readonly kind: 'tables'; readonly value: readonly FlatFields[] };

/** The fields of a table by their number in the schema. */
export type FlatFields = Readonly<Record<number, FlatField | undefined>>;

export const int8 = (value: number): FlatField => ({ kind: 'i8', value });
export const int32 = (value: number): FlatField => ({ kind: 'i32', value });
export const uint32 = (value: number): FlatField => ({ kind: 'u32', value });
export const float32 = (value: number): FlatField => ({ kind: 'f32', value });
export const text = (value: string): FlatField => ({ kind: 'text', value });
export const texts = (value: readonly string[]): FlatField => ({ kind: 'texts', value });
export const table = (value: FlatFields): FlatField => ({ kind: 'table', value });
export const tables = (value: readonly FlatFields[]): FlatField => ({ kind: 'tables', value });
export const vector = (value: Int32Array | Float32Array | Float64Array | BigInt64Array | Uint8Array): FlatField => ({
  kind: 'bytes',
  value: new Uint8Array(value.buffer, value.byteOffset, value.byteLength),
  itemBytes: value.BYTES_PER_ELEMENT,
});
export const ints = (...values: number[]): FlatField => vector(Int32Array.from(values));

/** Writes flatbuffers for tests, parents before children; not compact, but aligned as the official verifier demands. */
class FlatWriter {
  bytes = new Uint8Array(1 << 16);
  view = new DataView(this.bytes.buffer);
  length = 0;

  reserve(count: number, alignment: number, offset = 0): number {
    while ((this.length + offset) % alignment !== 0) this.length++;
    const at = this.length;
    this.length += count;
    while (this.length > this.bytes.length) {
      const larger = new Uint8Array(this.bytes.length * 2);
      larger.set(this.bytes);
      this.bytes = larger;
      this.view = new DataView(larger.buffer);
    }
    return at;
  }

  table(fields: FlatFields): number {
    const numbers = Object.keys(fields)
      .map(Number)
      .filter(number => fields[number] !== undefined);
    const count = Math.max(-1, ...numbers) + 1;
    const vtable = this.reserve(4 + 2 * count, 4);
    const at = this.reserve(4 + 4 * numbers.length, 4);
    this.view.setUint16(vtable, 4 + 2 * count, true);
    this.view.setUint16(vtable + 2, 4 + 4 * numbers.length, true);
    this.view.setInt32(at, at - vtable, true);
    numbers.forEach((number, i) => {
      const slot = at + 4 + 4 * i;
      this.view.setUint16(vtable + 4 + 2 * number, slot - at, true);
      this.field(slot, fields[number]!);
    });
    return at;
  }

  field(slot: number, field: FlatField): void {
    switch (field.kind) {
      case 'i8':
        this.view.setInt8(slot, field.value);
        return;
      case 'i32':
        this.view.setInt32(slot, field.value, true);
        return;
      case 'u32':
        this.view.setUint32(slot, field.value, true);
        return;
      case 'f32':
        this.view.setFloat32(slot, field.value, true);
        return;
      case 'text':
        this.point(slot, this.text(field.value));
        return;
      case 'bytes':
        this.point(slot, this.vector(field.value, field.itemBytes));
        return;
      case 'table':
        this.point(slot, this.table(field.value));
        return;
      case 'texts':
        this.point(
          slot,
          this.offsets(field.value, value => this.text(value)),
        );
        return;
      case 'tables':
        this.point(
          slot,
          this.offsets(field.value, value => this.table(value)),
        );
        return;
      default:
        throw new TypeError(`unknown field ${JSON.stringify(field satisfies never)}`);
    }
  }

  point(slot: number, target: number): void {
    this.view.setUint32(slot, target - slot, true);
  }

  text(value: string): number {
    const encoded = new TextEncoder().encode(value);
    const at = this.reserve(5 + encoded.length, 4);
    this.view.setUint32(at, encoded.length, true);
    this.bytes.set(encoded, at + 4);
    return at;
  }

  vector(value: Uint8Array, itemBytes: number): number {
    const at = this.reserve(4 + value.length, Math.max(4, itemBytes === 1 ? 16 : itemBytes), 4);
    this.view.setUint32(at, value.length / itemBytes, true);
    this.bytes.set(value, at + 4);
    return at;
  }

  offsets<T>(values: readonly T[], write: (value: T) => number): number {
    const at = this.reserve(4 + 4 * values.length, 4);
    this.view.setUint32(at, values.length, true);
    values.forEach((value, i) => {
      this.point(at + 4 + 4 * i, write(value));
    });
    return at;
  }
}

/** A flatbuffer with this root table. @param identifier four characters behind the root offset */
export function flatbuffer(root: FlatFields, identifier: string): Uint8Array {
  const writer = new FlatWriter();
  writer.reserve(8, 8);
  for (let i = 0; i < 4; i++) writer.bytes[4 + i] = identifier.charCodeAt(i) || 0;
  writer.point(0, writer.table(root));
  return writer.bytes.slice(0, writer.length);
}
