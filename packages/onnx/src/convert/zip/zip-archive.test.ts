import { crc32, deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { OnnxError } from '../../onnx-error.ts';
import { ZipArchive } from './zip-archive.ts';

interface Part {
  readonly name: string;
  readonly content: Uint8Array;
  readonly method?: 0 | 8;
  readonly declaredBytes?: number;
}

/** An archive written by hand; `wide` puts sizes and offsets into zip64 fields. */
function zip(parts: readonly Part[], wide = false): Uint8Array {
  const chunks: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const { name, content, method = 8, declaredBytes = content.length } of parts) {
    const packed = method === 8 ? deflateRawSync(content) : Buffer.from(content);
    const local = Buffer.alloc(30 + name.length);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(name.length, 26);
    local.write(name, 30);
    const extra = wide ? Buffer.alloc(28) : Buffer.alloc(0);
    const record = Buffer.alloc(46 + name.length);
    record.writeUInt32LE(0x02014b50, 0);
    record.writeUInt16LE(method, 10);
    record.writeUInt32LE(crc32(content), 16);
    record.writeUInt32LE(wide ? 0xffffffff : packed.length, 20);
    record.writeUInt32LE(wide ? 0xffffffff : declaredBytes, 24);
    record.writeUInt16LE(name.length, 28);
    record.writeUInt16LE(extra.length, 30);
    record.writeUInt32LE(wide ? 0xffffffff : at, 42);
    record.write(name, 46);
    if (wide) {
      extra.writeUInt16LE(1, 0);
      extra.writeUInt16LE(24, 2);
      extra.writeBigUInt64LE(BigInt(declaredBytes), 4);
      extra.writeBigUInt64LE(BigInt(packed.length), 12);
      extra.writeBigUInt64LE(BigInt(at), 20);
    }
    directory.push(record, extra);
    chunks.push(local, packed);
    at += local.length + packed.length;
  }
  const size = directory.reduce((sum, item) => sum + item.length, 0);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt32LE(wide ? 0xffffffff : at, 16);
  if (!wide) return new Uint8Array(Buffer.concat([...chunks, ...directory, end]));
  const end64 = Buffer.alloc(56);
  end64.writeUInt32LE(0x06064b50, 0);
  end64.writeBigUInt64LE(BigInt(at), 48);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50, 0);
  locator.writeBigUInt64LE(BigInt(at + size), 8);
  return new Uint8Array(Buffer.concat([...chunks, ...directory, end64, locator, end]));
}

const text = new TextEncoder().encode('a model of some kind '.repeat(20));

test.each([false, true])('stored and deflated files are read back (zip64: %s)', wide => {
  const archive = new ZipArchive(
    zip(
      [
        { name: 'config.json', content: text },
        { name: 'data/weights', content: text.subarray(5), method: 0 },
      ],
      wide,
    ),
  );
  expect(archive.names).toEqual(['config.json', 'data/weights']);
  expect(Buffer.from(archive.read('config.json', 1000))).toEqual(Buffer.from(text));
  expect(Buffer.from(archive.read('data/weights', 1000))).toEqual(Buffer.from(text.subarray(5)));
});

test.each(['../evil', '/etc/passwd', 'a/../../b', 'C:\\evil', '..\\evil'])('the escaping name %s is refused', name => {
  expect(() => new ZipArchive(zip([{ name, content: text }]))).toThrow(
    expect.objectContaining({ code: 'unsafe_code' }),
  );
});

test('a file beyond its bound is refused before it is unpacked, and a size that lies is noticed', () => {
  const zeros = new Uint8Array(1 << 20);
  expect(() => new ZipArchive(zip([{ name: 'a', content: zeros }])).read('a', 1000)).toThrow(
    expect.objectContaining({ code: 'too_large', message: expect.stringContaining('size limit') }),
  );
  expect(() => new ZipArchive(zip([{ name: 'a', content: zeros, declaredBytes: 900 }])).read('a', 1000)).toThrow(
    expect.objectContaining({ code: 'source_malformed' }),
  );
});

test('a changed or cut archive is read or refused, never another exception', () => {
  const original = zip([
    { name: 'a', content: text },
    { name: 'b', content: text, method: 0 },
  ]);
  const edit = fc.tuple(fc.nat(original.length - 1), fc.nat(255));
  fc.assert(
    fc.property(fc.array(edit, { maxLength: 4 }), fc.nat(original.length), (edits, length) => {
      const bytes = original.slice(0, edits.length === 0 ? length : original.length);
      for (const [at, byte] of edits) bytes[at] = byte;
      try {
        const archive = new ZipArchive(bytes);
        for (const name of archive.names) archive.read(name, 10_000);
      } catch (error) {
        if (!(error instanceof OnnxError)) throw error;
      }
    }),
    { seed: 3, numRuns: 400 },
  );
});
