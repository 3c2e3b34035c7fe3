import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { runCommandLine } from './run.ts';

const folder = mkdtempSync(join(tmpdir(), 'holdfast-cli-'));
afterAll(() => rmSync(folder, { recursive: true }));
const inTheWay = join(folder, 'file');
writeFileSync(inTheWay, 'no database');

/** Exit code and what is printed to stderr. */
async function run(...args: readonly string[]): Promise<readonly [number, string]> {
  let errors = '';
  const terminal = {
    stdout: () => {},
    stderr: (text: string) => {
      errors += text;
    },
    isInteractive: false,
    isErrorInteractive: false,
    columns: undefined,
    environment: {},
  };
  const start = (): Promise<never> => Promise.reject(new Error('nothing is started here'));
  return [await runCommandLine(args, { start, terminal, version: '0' }), errors];
}

test('a file where a folder should be is named, without a stack trace', async () => {
  const definition = join(folder, 'holdfast.tune.yaml');
  writeFileSync(
    definition,
    'name: d\nobjectives: { loss: minimize }\nspace: { x: { type: int, low: 0, high: 1 } }\ncommand: node -v',
  );
  expect(await run('tune', definition, '--data', inTheWay)).toEqual([
    1,
    `holdfast: EEXIST: file already exists, mkdir '${inTheWay}'\n`,
  ]);
});

test('a file that is no database is named, without a stack trace', async () => {
  expect(await run('studies', '--database', inTheWay)).toEqual([
    2,
    `holdfast: ${inTheWay}: cannot be used as a database: file is not a database\n`,
  ]);
});
