import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { convertWithPython } from './convert-with-python.ts';
import { exportWithPython, type PythonExport } from './python-export.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-python-'));
  await writeFile(join(folder, 'model.pt'), 'model');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A stand-in for Python: `$1` is the script, `$2` the source and `$3` the file to write. */
async function fake(body: string, rest: Partial<PythonExport> = {}): Promise<PythonExport> {
  const python = join(folder, 'python');
  await writeFile(python, `#!/bin/sh\n${body}\n`);
  await chmod(python, 0o755);
  const source = join(folder, 'model.pt');
  return { python, script: 'pass\n', source, folder, timeoutMs: 20_000, ...rest };
}

test('what the interpreter writes is found', async () => {
  const path = await exportWithPython(await fake('cp "$2" "$3"'));
  expect(existsSync(path)).toBe(true);
});

test('a failing script is told with its last lines', async () => {
  const failing = await fake('echo "ModuleNotFoundError: torch" >&2; exit 3');
  await expect(exportWithPython(failing)).rejects.toThrow(/code 3:\nModuleNotFoundError: torch/);
});

test('a script that writes nothing is refused', async () => {
  await expect(exportWithPython(await fake('exit 0'))).rejects.toThrow(/wrote no ONNX file/);
});

test('a script that hangs is ended with what it started', async () => {
  const hanging = await fake('sleep 600 & sleep 600', { timeoutMs: 300 });
  await expect(exportWithPython(hanging)).rejects.toThrow(/did not finish within 0.3 s/);
});

test('cancelling ends it', async () => {
  const cancel = new AbortController();
  const running = exportWithPython(await fake('sleep 600', { signal: cancel.signal }));
  cancel.abort(new Error('cancelled'));
  await expect(running).rejects.toThrow('cancelled');
});

test('an interpreter that is not there is named', async () => {
  const missing = await fake('', { python: join('/', 'nowhere', 'python') });
  await expect(exportWithPython(missing)).rejects.toThrow(/nowhere\/python could not be started/);
});

test('the environment of the command stays behind', async () => {
  process.env.HOLDFAST_TEST_SECRET = 'secret';
  try {
    const nosy = await fake('echo "[$HOLDFAST_TEST_SECRET]" >&2; exit 1');
    await expect(exportWithPython(nosy)).rejects.toThrow(/\[\]/);
  } finally {
    delete process.env.HOLDFAST_TEST_SECRET;
  }
});

/** A file of weights without a graph: one float32. */
function safetensors(): Uint8Array {
  const header = JSON.stringify({ weight: { dtype: 'F32', shape: [1], data_offsets: [0, 4] } });
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, Buffer.from(header), Buffer.alloc(4)]);
}

test.each([
  { allowCode: false, sentence: /add --allow-code/, announced: 0 },
  { allowCode: true, sentence: /code 5/, announced: 1 },
])(
  'with allowCode $allowCode, the script is announced $announced times',
  async ({ allowCode, sentence, announced }) => {
    const path = join(folder, 'model.safetensors');
    await writeFile(path, safetensors());
    const { python } = await fake('exit 5');
    const told: string[] = [];
    const choice = { python, allowCode, shapes: undefined, onRun: (words: string) => void told.push(words) };
    await expect(convertWithPython(path, choice, { timeoutMs: 20_000 })).rejects.toThrow(sentence);
    expect(told).toHaveLength(announced);
  },
);
