import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { OnnxError } from '../../onnx-error.ts';
import { sniffFile } from '../../sniff/sniff-file.ts';
import { convert } from '../convert.ts';
import { decompress } from './decompress.ts';

const fixture = (name: string): Uint8Array => new Uint8Array(readFileSync(join(import.meta.dirname, 'fixtures', name)));
const methods = ['bz2', 'xz', 'lzma'] as const;

test.each(methods)('a model packed by %s converts to the graph of the same model unpacked', async method => {
  const packed = fixture(`logistic.joblib.${method}`);
  expect(sniffFile(packed)).toBe('compressed_pickle');
  const plain = await convert(fixture('logistic.joblib'));
  const found = await convert(packed);
  expect(found.report.classes).toEqual(['down', 'up']);
  expect({ ...found.report, source: {} }).toEqual({ ...plain.report, source: {} });
});

test.each(methods)('what %s packed comes out byte by byte', method => {
  expect(decompress(fixture(`logistic.joblib.${method}`))).toEqual(fixture('logistic.joblib'));
});

test.each(methods)('100 MiB of zeros packed by %s are stopped at the limit', method => {
  expect(() => decompress(fixture(`bomb.${method}`))).toThrow(
    expect.objectContaining({ code: 'too_large', message: expect.stringContaining('67108864 bytes') }),
  );
});

test.each(methods)('every part of a file packed by %s is refused as damaged', method => {
  const packed = fixture(`logistic.joblib.${method}`);
  // The index and the footer of xz say nothing about the data.
  const end = method === 'xz' ? packed.length - 32 : packed.length;
  for (let length = 20; length < end; length += 23)
    expect(() => decompress(packed.subarray(0, length))).toThrow(expect.objectContaining({ code: 'truncated' }));
});

test.each(methods)('a file packed by %s with flipped bytes ends with an error of ours, or as it was', method => {
  const packed = fixture(`logistic.joblib.${method}`);
  const plain = fixture('logistic.joblib');
  const flip = fc.tuple(fc.integer({ min: 6, max: packed.length - 1 }), fc.integer({ min: 1, max: 255 }));
  fc.assert(
    fc.property(fc.array(flip, { minLength: 1, maxLength: 3 }), flips => {
      const broken = packed.slice();
      for (const [at, by] of flips) broken[at] = broken[at]! ^ by;
      try {
        const found = decompress(broken);
        // Only lzma has no check sum.
        if (method !== 'lzma') expect(found).toEqual(plain);
      } catch (error) {
        if (!(error instanceof OnnxError)) throw error;
      }
    }),
    { seed: 7, numRuns: 100 },
  );
});
