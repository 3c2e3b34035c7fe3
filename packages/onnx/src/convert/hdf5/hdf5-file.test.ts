import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { OnnxError } from '../../onnx-error.ts';
import { type Hdf5Group, openHdf5 } from './hdf5-file.ts';

/** Written by h5py 3.16 with the oldest and the newest structures; every array counts up from 0. */
function readSample(name: string): Uint8Array {
  return new Uint8Array(gunzipSync(readFileSync(join(import.meta.dirname, 'fixtures', `${name}.h5.gz`))));
}

const counted = Float32Array.from({ length: 35 }, (_, i) => i);

function floatsOf(group: Hdf5Group, path: string): { readonly shape: readonly number[]; readonly data: Float32Array } {
  const { shape, raw } = group.get(path)!.array();
  return { shape, data: new Float32Array(raw.slice().buffer) };
}

test.each(['old', 'new'])('groups, attributes and arrays with %s structures are read', name => {
  const root = openHdf5(readSample(name));
  expect(root.text('model_config')).toBe('{"a": 1}');
  expect(root.texts('names')).toEqual(['aa/kernel:0', 'b']);
  expect(root.texts('long')).toEqual(['x', 'yy', '']);
  expect(root.texts('part')).toEqual(['one', 'two', 'three']);
  expect(root.text('attribute11')).toBe('value 11');
  expect(root.texts('missing')).toBeUndefined();
  expect([...root.get('many')!.names].sort()).toEqual(Array.from({ length: 12 }, (_, i) => `link${i}`).sort());
  expect(floatsOf(root, 'many/link7')).toEqual({ shape: [3], data: Float32Array.of(7, 8, 9) });
  for (const path of ['contiguous', 'chunked', 'packed', 'growing'])
    expect(floatsOf(root, path), path).toEqual({ shape: [7, 5], data: counted });
  const big = root.get('big_endian')!.array();
  expect(Float32Array.from(new Float64Array(big.raw.slice().buffer))).toEqual(counted);
  expect(root.get('one_chunk')!.array()).toMatchObject({ shape: [7, 5], type: { kind: 'float', bytes: 2 } });
  expect(floatsOf(root, 'number')).toEqual({ shape: [], data: Float32Array.of(3) });
  expect(floatsOf(root, 'unwritten').data).toEqual(new Float32Array(4));
});

function readEverything(group: Hdf5Group): void {
  group.texts('model_config');
  for (const name of group.names) {
    const member = group.get(name);
    if (member?.isArray === true) member.array();
    else if (member !== undefined) readEverything(member);
  }
}

test.each(['old', 'new'])(
  'a changed or cut file with %s structures is read or refused, never another exception',
  name => {
    const original = readSample(name);
    const edit = fc.tuple(fc.nat(original.length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(edit, { maxLength: 6 }), fc.nat(original.length), (edits, length) => {
        const bytes = original.slice(0, edits.length === 0 ? length : original.length);
        for (const [at, byte] of edits) bytes[at] = byte;
        try {
          readEverything(openHdf5(bytes));
        } catch (error) {
          if (!(error instanceof OnnxError)) throw error;
        }
      }),
      { seed: 5, numRuns: 300 },
    );
  },
);

test('an array of which a piece is missing is refused, not filled with zeros', () => {
  const bytes = readSample('old');
  const view = new DataView(bytes.buffer);
  const isChunkTree = (at: number): boolean => view.getUint32(at, false) === 0x54524545 && bytes[at + 4] === 1;
  for (let at = 0; at + 8 <= bytes.length; at++)
    if (isChunkTree(at) && view.getUint16(at + 6, true) > 1)
      view.setUint16(at + 6, view.getUint16(at + 6, true) - 1, true);
  expect(() => openHdf5(bytes).get('chunked')?.array()).toThrow(/"\/chunked" has \d+ of its \d+ pieces/);
});

test('a group that contains itself ends with an error', () => {
  const bytes = readSample('new');
  const root = openHdf5(bytes);
  // The link to the group "many" is made to lead back to the root, whose header is found by its signature.
  const view = new DataView(bytes.buffer);
  const headers = [...bytes.keys()].filter(at => at + 4 < bytes.length && view.getUint32(at, false) === 0x4f484452);
  expect(root.get('many')).toBeDefined();
  const [rootHeader = 0] = headers;
  for (let at = 0; at + 8 <= bytes.length; at++)
    if (headers.includes(Number(view.getBigUint64(at, true)))) view.setBigUint64(at, BigInt(rootHeader), true);
  expect(() => readEverything(openHdf5(bytes))).toThrow(OnnxError);
});
