import { OnnxError } from '../../onnx-error.ts';
import { WireReader } from '../../wire/wire-reader.ts';

/** Largest block that is unpacked, in bytes; blocks of a variables index have a few kilobytes. */
const maxBlockBytes = 16 << 20;

/**
 * Raw Snappy (format_description.txt of google/snappy): the length, then literals and copies of what was written.
 * @throws OnnxError `source_malformed`, `too_large`
 */
export function uncompressSnappy(bytes: Uint8Array): Uint8Array {
  const head = new WireReader(bytes);
  const total = head.varintNumber();
  if (total > maxBlockBytes)
    throw new OnnxError('too_large', `A compressed block claims ${total} bytes, more than ${maxBlockBytes}.`);
  const out = new Uint8Array(total);
  let from = head.position;
  let to = 0;
  const next = (): number => {
    if (from >= bytes.length) throw damaged();
    return bytes[from++]!;
  };
  while (from < bytes.length) {
    const tag = next();
    const kind = tag & 3;
    if (kind === 0) {
      let size = (tag >> 2) + 1;
      if (size > 60) {
        const wide = size - 60;
        size = 0;
        for (let i = 0; i < wide; i++) size += next() * 2 ** (8 * i);
        size++;
      }
      if (size > bytes.length - from || size > total - to) throw damaged();
      out.set(bytes.subarray(from, from + size), to);
      from += size;
      to += size;
      continue;
    }
    const size = kind === 1 ? ((tag >> 2) & 7) + 4 : (tag >> 2) + 1;
    let distance = kind === 1 ? (tag >> 5) * 256 + next() : next() + next() * 256;
    if (kind === 3) distance += next() * 65536 + next() * 16777216;
    if (distance === 0 || distance > to || size > total - to) throw damaged();
    for (let i = 0; i < size; i++, to++) out[to] = out[to - distance]!;
  }
  if (to !== total) throw damaged();
  return out;
}

function damaged(): OnnxError {
  return new OnnxError('source_malformed', 'A compressed block of the variables index is damaged; copy it again.');
}
