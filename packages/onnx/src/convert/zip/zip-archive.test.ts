import fc from 'fast-check';
import { expect, test } from 'vitest';
import { OnnxError } from '../../onnx-error.ts';
import { buildZip } from '../../testing/build-zip.ts';
import { ZipArchive } from './zip-archive.ts';

const text = new TextEncoder().encode('a model of some kind '.repeat(20));

test.each([false, true])('stored and deflated files are read back (zip64: %s)', wide => {
  const archive = new ZipArchive(
    buildZip(
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
  expect(() => new ZipArchive(buildZip([{ name, content: text }]))).toThrow(
    expect.objectContaining({ code: 'unsafe_code' }),
  );
});

test('a file beyond its bound is refused before it is unpacked, and a size that lies is noticed', () => {
  const zeros = new Uint8Array(1 << 20);
  expect(() => new ZipArchive(buildZip([{ name: 'a', content: zeros }])).read('a', 1000)).toThrow(
    expect.objectContaining({ code: 'too_large', message: expect.stringContaining('size limit') }),
  );
  expect(() => new ZipArchive(buildZip([{ name: 'a', content: zeros, declaredBytes: 900 }])).read('a', 1000)).toThrow(
    expect.objectContaining({ code: 'source_malformed' }),
  );
});

test('a changed or cut archive is read or refused, never another exception', () => {
  const original = buildZip([
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
