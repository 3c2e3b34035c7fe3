import { expect, test } from 'vitest';
import { languageFor } from './language.ts';
import { en } from './messages-en.ts';
import { zh } from './messages-zh.ts';

/** Paths of every text in a table, with what kind of text it is. */
function pathsOf(table: object, prefix = ''): string[] {
  return Object.entries(table).flatMap(([key, value]) =>
    typeof value === 'object' && value !== null
      ? pathsOf(value, `${prefix}${key}.`)
      : [`${prefix}${key}: ${typeof value}`],
  );
}

test('every text exists in both languages', () => {
  expect(pathsOf(zh).sort()).toEqual(pathsOf(en).sort());
});

test('no text is empty, and Chinese texts are not left in English by mistake', () => {
  const texts = Object.entries(zh).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
  const sameInBoth = ['p50', 'p99', 'otherLanguage', 'isChampion'];
  for (const [key, text] of texts) {
    expect(text, key).not.toBe('');
    if (!sameInBoth.includes(key)) expect(text, key).toMatch(/\p{Script=Han}/u);
  }
});

test('counted texts follow the plural rules of English', () => {
  expect(en.modelCount(1, '1')).toBe('1 model');
  expect(en.modelCount(0, '0')).toBe('0 models');
  expect(en.alertsFiring(2, '2')).toBe('2 alerts firing');
  expect(zh.alertsFiring(2, '2')).toBe('2 个告警触发中');
});

test.each([
  [['zh-CN', 'en'], 'zh-CN'],
  [['zh'], 'zh-CN'],
  [['fr-FR', 'zh-TW'], 'zh-CN'],
  [['en-GB', 'zh-CN'], 'en'],
  [['fr-FR'], 'en'],
  [[], 'en'],
] as const)('a reader of %j is shown %s', (wanted, expected) => {
  expect(languageFor(wanted)).toBe(expected);
});
