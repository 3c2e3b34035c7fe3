import { isFault } from '@holdfast/api';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compileWhere, UnknownColumn, type WhereScope } from './where-clause.ts';

const scope: WhereScope = (name, qualifier) => {
  if (qualifier === 'tags') return { sql: 'tag', type: 'text' };
  if (qualifier !== undefined && qualifier !== 'input') return undefined;
  if (name === 'x' || name === 'p[1]' || name === 'select') return { sql: 'c0', type: 'number' };
  if (name === 's') return { sql: 'c1', type: 'text' };
  if (name === 'ok') return { sql: 'c2', type: 'boolean' };
  return name === 'event_time' ? { sql: 'event_ms', type: 'time' } : undefined;
};

test.each([
  ['x > 1', '(c0 > 1)'],
  ['x = 9007199254740993', '(c0 = 9007199254740993)'],
  ['x == -0.5e3', '(c0 = (- 0.5e3))'],
  ["s = 'O''Hare' or not ok", "((c1 = 'O''Hare') or (not c2))"],
  ['ok and x != 1 and s is not null', '((c2 and (c0 <> 1)) and (c1 is not null))'],
  ["s in ('a', 'b')", "(c1 in ('a', 'b'))"],
  ['x not in (1, 2)', '(not (c0 in (1, 2)))'],
  ['x between 1 and 2 or ok', '((c0 between 1 and 2) or c2)'],
  ["s not ilike '%x%'", "(not (c1 ilike '%x%'))"],
  ['x + 2 * 3 % 2 < 4', '((c0 + ((2 * 3) % 2)) < 4)'],
  ['p[1] >= 0.5', '(c0 >= 0.5)'],
  ['"p[1]" >= 0.5', '(c0 >= 0.5)'],
  ['"select" = 1', '(c0 = 1)'],
  ['input.x < 1', '(c0 < 1)'],
  ["tags.site = 'a'", "(tag = 'a')"],
  ["x = '12'", '(c0 = 12)'],
  ["event_time >= '2001-02-01'", '(event_ms >= 980985600000)'],
  ["event_time >= '2001-02-01T00:00:00'", '(event_ms >= 980985600000)'],
  ["lower(s) = 'ord' and abs(x) > 1", "((lower(c1) = 'ord') and (abs(c0) > 1))"],
])('%s becomes %s', (condition, sql) => {
  expect(compileWhere(condition, scope)).toBe(sql);
});

test.each([
  ['1 = 1; drop table hot_0', '";" is not understood'],
  ['x > 1 -- comment', 'no column is called "comment"'],
  ['x', 'a condition is expected'],
  ['x > (select 1)', '")" is expected instead of "1"'],
  ["read_csv('/etc/passwd') = 'x'", '"read_csv" is not one of'],
  ['s > 5', 'a text cannot be compared with a number'],
  ["x = 'ORD'", 'a number cannot be compared with a text'],
  ['x > 1 and', 'a value is expected instead of "the end"'],
  ['(x > 1', '")" is expected instead of "the end"'],
  ["s = 'open", '"\'" is not understood'],
  ['abs(s) > 1', 'abs takes number'],
  ['x > 1 x', '"x" is not expected'],
  [`${'('.repeat(100)}x > 1${')'.repeat(100)}`, 'nested too deeply'],
  [`${'not '.repeat(1000)}ok`, 'nested too deeply'],
  [`x > ${'-'.repeat(1000)}1`, 'nested too deeply'],
])('%s is refused', (condition, why) => {
  const error = (() => {
    try {
      return compileWhere(condition, scope);
    } catch (thrown) {
      return thrown instanceof UnknownColumn ? thrown.cause : thrown;
    }
  })();
  expect(isFault(error) && error.code).toBe('bad_request');
  expect(isFault(error) && error.message).toContain(why);
});

test('whatever is written, the outcome is a refusal or SQL made of known parts only', () => {
  const part = fc.constantFrom(
    'x',
    's',
    'ok',
    'and',
    'or',
    'not',
    '(',
    ')',
    "'",
    "''",
    '"',
    ';',
    '--',
    '/*',
    '*/',
    '=',
    '<',
    ',',
    '1',
    '.5',
    'in',
    'is',
    'null',
    'like',
    "'a'",
    'abs',
    'select',
    'from',
    '\\',
    '$1',
    '?',
    'between',
    '-',
    '.',
    '[',
    ']',
    '\u0000',
    ' ',
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 14 }), parts => {
      try {
        const sql = compileWhere(parts.join(' '), scope);
        const withoutTexts = sql.replace(/'(?:[^']|'')*'/g, "''");
        expect(withoutTexts).toMatch(
          /^(?:c0|c1|c2|and|or|not|in|is|null|like|between|abs|true|false|''|[\d.]+|[-(),=<>+*/% ])*$/,
        );
        expect(withoutTexts).not.toMatch(/--|\/\*/);
      } catch (error) {
        if (!isFault(error) && !(error instanceof UnknownColumn)) throw error;
      }
    }),
    { numRuns: 2000, seed: 7 },
  );
});
