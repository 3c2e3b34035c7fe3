import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { runCli, runCliWith, temporaryFolder } from './holdfast-process.ts';

const folder = temporaryFolder();
const source = join(folder.path, 'model.json');

const float = { type: 'DT_FLOAT' };
/** A graph model of TF.js: y = relu(2 x). */
const document = {
  format: 'graph-model',
  modelTopology: {
    node: [
      {
        name: 'x',
        op: 'Placeholder',
        attr: { dtype: float, shape: { shape: { dim: [{ size: '-1' }, { size: '1' }] } } },
      },
      { name: 'two', op: 'Const', attr: { dtype: float } },
      { name: 'product', op: 'MatMul', input: ['x', 'two'], attr: { T: float } },
      { name: 'y', op: 'Relu', input: ['product'], attr: { T: float } },
    ],
    versions: {},
  },
  weightsManifest: [{ paths: ['two.bin'], weights: [{ name: 'two', shape: [1, 1], dtype: 'float32' }] }],
};

/** Module hooks under which the engine's package is another one, or is not there. */
function hooks(name: string, url: string | undefined): string {
  const path = join(folder.path, `${name}.mjs`);
  const absent = "throw Object.assign(new Error('absent'), { code: 'ERR_MODULE_NOT_FOUND' })";
  const found = url === undefined ? absent : `return { url: ${JSON.stringify(url)}, shortCircuit: true }`;
  writeFileSync(
    path,
    `import { registerHooks } from 'node:module';
registerHooks({
  resolve(specifier, context, next) {
    if (specifier !== '@tensorflow/tfjs') return next(specifier, context);
    ${found};
  },
});
`,
  );
  return `--import=${pathToFileURL(path).href}`;
}

/** An engine that computes something else than the model says. */
const other = `export const version = { tfjs: '0.0.0-other' };
export const enableProdMode = () => {};
export const setBackend = async () => true;
export const io = { fromMemory: artifacts => artifacts };
export const tensor = values => values;
export const loadGraphModel = async () => ({
  execute: given => [{ dataSync: () => Float32Array.from(Object.values(given)[0], x => Math.max(0, 2.01 * x)) }],
});
`;

beforeAll(() => {
  writeFileSync(source, JSON.stringify(document));
  writeFileSync(join(folder.path, 'two.bin'), new Uint8Array(Float32Array.of(2).buffer));
});
afterAll(() => folder[Symbol.dispose]());

const report = z.object({
  verification: z.object({
    kind: z.string(),
    how: z.string(),
    rows: z.number(),
    outputs: z.array(z.object({ name: z.string(), largestAbsolute: z.number(), bar: z.object({ kind: z.string() }) })),
  }),
});

test('the report says which engine the graph was compared with, on how many rows, and how far apart they were', async () => {
  const { code, stdout, stderr } = await runCli('convert', source, '-o', join(folder.path, 'plain.onnx'));
  expect({ code, stderr }).toMatchObject({ code: 0 });
  expect(stdout).toMatch(
    /checked +Compared with TensorFlow.js 4\.22\.0\. On 16 random rows\. Largest difference 0 absolute over 16 values/,
  );
});

test('without the package of the engine, the model converts and the report says what to install', async () => {
  const output = join(folder.path, 'alone.onnx');
  const run = await runCliWith([hooks('absent', undefined)], 'convert', source, '-o', output, '--json');
  expect({ code: run.code, stderr: run.stderr }).toMatchObject({ code: 0 });
  expect(report.parse(JSON.parse(run.stdout)).verification).toMatchObject({
    kind: 'not-compared',
    how: expect.stringContaining('install @tensorflow/tfjs to have it'),
    outputs: [],
  });
  expect(existsSync(output)).toBe(true);
});

test('a graph that its source contradicts is refused with both values, and no file is left', async () => {
  const module = join(folder.path, 'other-engine.mjs');
  writeFileSync(module, other);
  const target = join(folder.path, 'refused');
  mkdirSync(target);
  const output = join(target, 'wrong.onnx');
  const run = await runCliWith([hooks('other', pathToFileURL(module).href)], 'convert', source, '-o', output);
  expect(run.code).toBe(1);
  expect(run.stderr).toMatch(
    /output "y": in row \d+ the graph says [\d.]+ where TensorFlow.js 0\.0\.0-other says [\d.]+/,
  );
  expect(readdirSync(target)).toEqual([]);
});
