import { OnnxError } from '../../onnx-error.ts';
import { decodeText } from '../../wire/wire-reader.ts';

const maxDepth = 64;

function malformed(what: string, at: number): OnnxError {
  return new OnnxError('source_malformed', `The UBJSON is not valid: ${what} at byte ${at}; save the model again.`);
}

/**
 * Reads UBJSON as XGBoost writes it, with strongly typed arrays. Typed number arrays come out as arrays of numbers;
 * no declared length is believed before the bytes are there.
 */
export function readUbjson(bytes: Uint8Array): unknown {
  return new UbjsonReader(bytes).value(0);
}

class UbjsonReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  value(depth: number, known?: number): unknown {
    if (depth > maxDepth) throw malformed('too deep nesting', this.#at);
    const type = known ?? this.#marker();
    switch (type) {
      case 0x7b:
        return this.#object(depth); // {
      case 0x5b:
        return this.#array(depth); // [
      case 0x53:
        return this.#text(); // S
      case 0x43:
        return String.fromCharCode(this.#byte()); // C
      case 0x54:
        return true; // T
      case 0x46:
        return false; // F
      case 0x5a:
        return null; // Z
      default:
        return this.#number(type);
    }
  }

  #object(depth: number): Record<string, unknown> {
    const object: Record<string, unknown> = {};
    const count = this.#count();
    for (let i = 0; count === undefined ? this.#peek() !== 0x7d : i < count; i++) {
      const key = this.#text();
      Object.defineProperty(object, key, {
        value: this.value(depth + 1),
        enumerable: true,
        configurable: true,
        writable: true,
      });
    }
    if (count === undefined) this.#at++;
    return object;
  }

  #array(depth: number): unknown[] {
    let type: number | undefined;
    if (this.#peek() === 0x24) {
      this.#at++;
      type = this.#byte();
    }
    const count = this.#count();
    if (type !== undefined && count === undefined) throw malformed('a typed array without length', this.#at);
    const items: unknown[] = [];
    if (count !== undefined) {
      // Every element takes at least a byte, so a length beyond the file is refused at once.
      if (count > this.#bytes.length - this.#at)
        throw malformed(`an array of ${count} elements beyond the end of the file`, this.#at);
      for (let i = 0; i < count; i++) items.push(this.value(depth + 1, type));
      return items;
    }
    while (this.#peek() !== 0x5d) items.push(this.value(depth + 1));
    this.#at++;
    return items;
  }

  #count(): number | undefined {
    if (this.#peek() !== 0x23) return undefined;
    this.#at++;
    return this.#length();
  }

  #length(): number {
    const length = this.#number(this.#marker());
    if (!(length >= 0 && length <= this.#bytes.length)) throw malformed(`a length of ${length}`, this.#at);
    return length;
  }

  #text(): string {
    const length = this.#length();
    const at = this.#take(length);
    return decodeText(this.#bytes.subarray(at, at + length));
  }

  #number(type: number): number {
    switch (type) {
      case 0x69:
        return this.#view.getInt8(this.#take(1)); // i
      case 0x55:
        return this.#view.getUint8(this.#take(1)); // U
      case 0x49:
        return this.#view.getInt16(this.#take(2)); // I
      case 0x6c:
        return this.#view.getInt32(this.#take(4)); // l
      case 0x4c:
        return Number(this.#view.getBigInt64(this.#take(8))); // L
      case 0x64:
        return this.#view.getFloat32(this.#take(4)); // d
      case 0x44:
        return this.#view.getFloat64(this.#take(8)); // D
      default:
        throw malformed(`the type 0x${type.toString(16)}`, this.#at);
    }
  }

  /** The next type marker; N is a no-op that may stand anywhere. */
  #marker(): number {
    let type = this.#byte();
    while (type === 0x4e) type = this.#byte();
    return type;
  }

  #peek(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined)
      throw new OnnxError('truncated', 'The UBJSON is truncated; copy or download the file again.');
    return byte;
  }

  #byte(): number {
    return this.#bytes[this.#take(1)]!;
  }

  #take(length: number): number {
    const at = this.#at;
    if (length > this.#bytes.length - at)
      throw new OnnxError('truncated', 'The UBJSON is truncated; copy or download the file again.');
    this.#at = at + length;
    return at;
  }
}
