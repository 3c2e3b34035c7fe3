import { expect, test } from 'vitest';
import { modelNameSchema, parseAlias, parseModelName } from './names.ts';

test.each(['churn', 'a', '0x', 'flight-delay', 'a.b_c-d', 'x'.repeat(63)])('%s is a model name', name => {
  expect(parseModelName(name)).toBe(name);
});

test.each(['', '../x', 'a/../b', 'a..b', 'CON', '.hidden', '-x', 'x'.repeat(64), 'a b', 'é', 'a\n', 'a%2fb'])(
  '%j is refused as a model name',
  name => {
    expect(() => parseModelName(name)).toThrow(expect.objectContaining({ code: 'bad_model_name' }));
    expect(modelNameSchema.safeParse(name).success).toBe(false);
  },
);

test('an alias cannot be mistaken for a version number', () => {
  expect(() => parseAlias('3')).toThrow(expect.objectContaining({ code: 'bad_alias' }));
});
