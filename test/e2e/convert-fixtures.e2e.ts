import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const bench = (name: string): string => fileURLToPath(new URL(`../../bench/${name}.ts`, import.meta.url));
const hasCollection = existsSync(fileURLToPath(new URL('../../../shared/models/MANIFEST.json', import.meta.url)));
if (!hasCollection) console.warn('Comparing with the model collection is skipped: it is not beside this repository.');

const formats = ['catboost', 'graphdef', 'keras', 'lightgbm', 'onnx', 'savedmodel', 'sklearn', 'tfjs', 'tflite'];
const others = ['tflite-ops', 'torch', 'xgboost', 'hostile/pickle', 'hostile/keras', 'hostile/onnx', 'hostile/tflite'];

test.skipIf(!hasCollection)(
  'every file of the collection converts within the bar of its format, twice to the same bytes, or is refused',
  async () => {
    // In a process of its own: ONNX Runtime ends the whole process when it finds a graph too odd.
    const run = promisify(execFile)(process.execPath, ['--conditions=source', bench('convert'), '--quiet']);
    const { stdout } = await run.catch((error: { readonly stdout: string }) => error);
    const lines = stdout.split('\n');
    // With --quiet a line begins like this only when something is wrong.
    expect(lines.filter(line => /^(wrong|crashed) /.test(line))).toEqual([]);
    for (const format of [...formats, ...others])
      expect(lines.find(line => line.startsWith(`${format} `))).toMatch(/^\S+ +\d+ +\d+ +0 /);
    expect(stdout).toMatch(/\d{3} files, 0 wrong\n$/);
  },
  // Every conversion is verified too, some by engines that take a minute of CPU together.
  900_000,
);

test.skipIf(!hasCollection)(
  '1 row, no rows and up to 10,000 rows are answered as the reference rows are',
  async () => {
    const args = ['--conditions=source', bench('convert-rows'), 'catboost', 'lightgbm', 'sklearn', 'xgboost'];
    const run = promisify(execFile)(process.execPath, args);
    const { stdout } = await run.catch((error: { readonly stdout: string }) => error);
    expect(stdout.split('\n').filter(line => line.startsWith('wrong '))).toEqual([]);
    expect(stdout).toMatch(/\d\d files, 0 wrong\n$/);
  },
  600_000,
);
