import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';

test('the example of the README runs', async () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const code = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? '';
  const folder = mkdtempSync(join(tmpdir(), 'tune-readme-'));
  try {
    const file = join(folder, 'example.ts');
    writeFileSync(file, code.replace("'@holdfast/tune'", JSON.stringify(new URL('./index.ts', import.meta.url).href)));
    const ran: {
      best: { values: number[] };
      saved: { trials: unknown[] };
      resumed: { trials: unknown[]; ask(): { kind: string } };
    } = await import(/* @vite-ignore */ pathToFileURL(file).href);
    expect(ran.best.values[0]).toBeLessThan(0.1);
    expect(ran.saved.trials).toHaveLength(30);
    expect(ran.resumed.trials).toHaveLength(30);
    expect(ran.resumed.ask().kind).toBe('trial');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
