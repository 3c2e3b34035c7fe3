import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { pages, referenceFolder } from './make-reference.ts';

test.each(Object.entries(pages))(
  'docs/reference/%s says what the code says (npm run reference)',
  async (name, page) => {
    expect(readFileSync(join(referenceFolder, name), 'utf8')).toBe(await page());
  },
);
