import { expect, test } from 'vitest';
import { createVersionSchema } from './models.ts';

const artifact = `sha256:${'a'.repeat(64)}`;

test.each(['ensemble', 'remote', 'converted', 'conversionReport', 'source'])(
  'the origin of a version cannot be told under %s, which Holdfast writes itself',
  key => {
    const told = createVersionSchema.safeParse({ artifact, provenance: { study: 's', [key]: 'x' } });
    expect(told.error?.issues).toMatchObject([{ path: ['provenance', key] }]);
    expect(JSON.stringify(told.error?.issues)).toContain('this key is written by Holdfast itself');
    expect(createVersionSchema.safeParse({ artifact, provenance: { study: 's' } }).success).toBe(true);
  },
);
