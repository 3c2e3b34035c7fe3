import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isFault } from '@holdfast/api';
import { describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { convertModel } from './convert-model.ts';
import { sourceFilesOf } from './source-files.ts';

const collection = join(import.meta.dirname, '../../../../../shared/models');
const manifestPath = join(collection, 'MANIFEST.json');
/** The file that the code in hostile pickles and archives would create. */
const canary = '/tmp/holdfast_pwned';

const manifestSchema = z.object({
  entries: z.array(
    z.object({
      name: z.string(),
      format: z.string(),
      expect: z.string().optional(),
      must_mention: z.array(z.string()).default([]),
    }),
  ),
});

vi.setConfig({ maxConcurrency: 2 });

const hasCollection = existsSync(manifestPath);
if (!hasCollection) console.warn('Hostile files are skipped: the model collection is not beside this repository.');
const hostile = hasCollection
  ? manifestSchema
      .parse(JSON.parse(readFileSync(manifestPath, 'utf8')))
      .entries.filter(entry => entry.format.startsWith('hostile/'))
  : [];

/** Memory beyond an empty process, which itself has about 150 MB: together below 600 MB. */
const memoryBytes = 440 * 2 ** 20;
/** From the first byte read to the end; starting Node is not the file's doing. */
const limitMs = 10_000;

/** What the conversion's process makes of a file, under the limits: `accepted`, or the sentence of its refusal. */
async function outcomeOf(name: string): Promise<string> {
  const files = await sourceFilesOf(join(collection, 'hostile', name));
  const limit = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const onPhase = (): void => {
    timer ??= setTimeout(() => limit.abort(new Error(`${name} takes longer than ${limitMs} ms`)), limitMs);
  };
  try {
    await using _ = await convertModel([files], { memoryBytes, onPhase, signal: limit.signal });
    return 'accepted';
  } catch (error) {
    if (isFault(error)) return error.message;
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

const crashed = /its process (was ended|ended with|could not)|did not finish within|of memory that are allowed/;

describe.skipIf(!hasCollection)('hostile files in the process of a conversion', { concurrent: true }, () => {
  test.each(hostile.filter(entry => entry.expect === 'reject'))(
    '$name is refused with a sentence that names the trouble, and no code of it runs',
    async ({ name, must_mention }) => {
      const sentence = await outcomeOf(name);
      expect(sentence).not.toBe('accepted');
      expect(sentence).not.toMatch(crashed);
      for (const words of must_mention) expect(sentence).toMatch(new RegExp(words, 'i'));
      expect(existsSync(canary)).toBe(false);
    },
  );

  test.each(hostile.filter(entry => entry.expect === 'accept'))(
    '$name converts in spite of its looks',
    async ({ name }) => {
      expect(await outcomeOf(name)).toBe('accepted');
    },
  );

  test.each(hostile.filter(entry => entry.expect?.startsWith('any-')))(
    '$name ends by itself, whatever is made of it',
    async ({ name }) => {
      expect(await outcomeOf(name)).not.toMatch(crashed);
    },
  );
});
