import { expect, test } from 'vitest';
import { createVersionSchema } from './models.ts';

const artifact = `sha256:${'a'.repeat(64)}`;

test.each(['ensemble', 'remote', 'converted', 'conversionReport', 'source'])(
  'the origin of a version cannot be told under %s, which Holdfast writes itself',
  key => {
    const told = createVersionSchema.safeParse({ artifact, provenance: { study: 's', [key]: 'x' } });
    expect(told.error?.issues).toMatchObject([
      { path: ['provenance', key], message: 'is written by Holdfast itself; choose another key' },
    ]);
    expect(createVersionSchema.safeParse({ artifact, provenance: { study: 's' } }).success).toBe(true);
  },
);
