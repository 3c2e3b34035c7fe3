import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';
import { expect, test } from 'vitest';

/** Code that a page gets when it imports the client for inference. */
async function bundle(entry: string): Promise<string> {
  const virtual = '\0page.ts';
  const built = await build({
    configFile: false,
    logLevel: 'error',
    root: fileURLToPath(new URL('../..', import.meta.url)),
    resolve: { conditions: ['source', 'browser', 'import'] },
    plugins: [
      {
        name: 'page',
        resolveId: id => (id === 'virtual:page' ? virtual : undefined),
        load: id => (id === virtual ? entry : undefined),
      },
    ],
    build: { write: false, minify: true, modulePreload: false, rolldownOptions: { input: { page: 'virtual:page' } } },
  });
  const [result] = Array.isArray(built) ? built : [built];
  if (result === undefined || !('output' in result)) throw new Error('nothing was built');
  return result.output.map(part => ('code' in part ? part.code : '')).join('\n');
}

test('the client runs in a page: nothing of Node, nothing of the control API, and small', async () => {
  const code = await bundle(
    "import { InferenceClient, tensor } from '@holdfast/api/inference'; globalThis.infer = { InferenceClient, tensor };",
  );
  expect(code).not.toMatch(/node:|\bBuffer\b|\brequire\b|\bprocess\b|from\s*["']/);
  expect(code).not.toContain('ZodError');
  expect(gzipSync(code).length).toBeLessThan(8192);
});

test('what a page does not import is left out of it', async () => {
  const code = await bundle("import { toFloat16 } from '@holdfast/api/inference'; globalThis.half = toFloat16;");
  expect(code.length).toBeLessThan(1500);
});
