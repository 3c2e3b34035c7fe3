import fc from 'fast-check';
import { expect, test } from 'vitest';
import { JsonCursor, JsonDepthError, JsonSyntaxError, type JsonValue } from './json-cursor.ts';

function read(text: string): JsonValue {
  const cursor = new JsonCursor(Buffer.from(text));
  const value = cursor.value();
  if (cursor.peek() !== -1) cursor.fail('The document root must not be followed by other values.');
  return value;
}

function plain(value: JsonValue): unknown {
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, inner]) => [key, plain(inner)]));
  if (Array.isArray(value)) return value.map(plain);
  return typeof value === 'bigint' ? Number(value) : value;
}

/** What `JSON.parse` says, or undefined when it refuses. */
function reference(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

function ours(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: plain(read(text)) };
  } catch (error) {
    if (error instanceof JsonSyntaxError || error instanceof JsonDepthError) return undefined;
    throw error;
  }
}

test('reads every JSON text as JSON.parse does', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 6 }), text => {
      if (text.includes('__proto__')) return;
      expect(ours(text)).toEqual(reference(text));
    }),
    { numRuns: 500 },
  );
});

test('refuses what JSON.parse refuses: mutated documents', () => {
  const seed = '{"inputs":[{"name":"a","shape":[1,2],"data":[1.5,-2e3,true,null,"x\\u00e9\\n"]}],"n":0.10}';
  fc.assert(
    fc.property(
      fc.nat(seed.length - 1),
      fc.constantFrom(...'{}[],:"\\0123-+.eEtn \u0001/'),
      fc.boolean(),
      (at, c, insert) => {
        const text = seed.slice(0, at) + c + seed.slice(insert ? at : at + 1);
        if (/NaN|Infinity/.test(text)) return;
        expect(ours(text)).toEqual(reference(text));
      },
    ),
    { numRuns: 2000 },
  );
});

test('numbers of any length are the nearest double, as Number() has it', () => {
  const digits = fc.array(fc.nat(9), { minLength: 1, maxLength: 24 }).map(list => list.join(''));
  const decimal = fc
    .tuple(fc.boolean(), digits, fc.option(digits), fc.option(fc.integer({ min: -340, max: 320 })))
    .map(
      ([negative, whole, fraction, power]) =>
        `${negative ? '-' : ''}${whole.replace(/^0+(?=\d)/, '')}${fraction === null ? '' : `.${fraction}`}${power === null ? '' : `e${power}`}`,
    );
  const double = fc.double({ noNaN: true, noDefaultInfinity: true }).map(String);
  const float = fc.float({ noNaN: true, noDefaultInfinity: true }).map(String);
  fc.assert(
    fc.property(fc.oneof(decimal, double, float), text => {
      expect(new JsonCursor(Buffer.from(text)).number()).toBe(Number(text));
    }),
    { numRuns: 20_000 },
  );
});

test.each(['9007199254740993', '-9223372036854775808', '18446744073709551615', '123456789012345678901234567890'])(
  'the whole number %s keeps every digit',
  text => expect(read(text)).toBe(BigInt(text)),
);

test('NaN and the infinities are read as bare words', () => {
  expect(read('[NaN, Infinity, -Infinity]')).toEqual([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]);
  expect(() => read('[Nan]')).toThrow(JsonSyntaxError);
  expect(() => read('-Infinit')).toThrow(JsonSyntaxError);
});

test('a key named __proto__ is a key like any other', () => {
  const value = read('{"__proto__":{"polluted":true}}');
  expect(value instanceof Map && value.has('__proto__')).toBe(true);
  expect(Reflect.get({}, 'polluted')).toBeUndefined();
});

test.each([
  ['', 'The document is empty.', 0],
  ['{"a":}', 'Invalid value.', 5],
  ['{a:1}', 'Missing a name for object member.', 1],
  ['{"a" 1}', 'Missing a colon after a name of object member.', 5],
  ['{"a":1 "b":2}', 'Missing a comma or } after an object member.', 7],
  ['[1 2]', 'Missing a comma or ] after an array element.', 3],
  ['["abc', 'Missing a closing quotation mark in string.', 1],
  ['[1.]', 'Miss fraction part in number.', 1],
])('%j is refused with "%s" at %i', (text, reason, offset) => {
  expect(() => read(text)).toThrow(expect.objectContaining({ reason, offset }));
});

test('100 levels are read, 101 are refused', () => {
  expect(() => read('['.repeat(100) + ']'.repeat(100))).not.toThrow();
  expect(() => read('['.repeat(101) + ']'.repeat(101))).toThrow(
    'JSON nesting depth exceeds maximum allowed limit (100)',
  );
});
