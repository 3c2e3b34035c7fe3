import { expect, test } from 'vitest';
import { formatBytes, renderTable } from './table.ts';

test('columns line up, also beside wide characters', () => {
  expect(
    renderTable(
      ['NAME', 'N'],
      [
        ['模型', '1'],
        ['churn', '22'],
      ],
    ),
  ).toBe('NAME   N\n模型   1\nchurn  22\n');
});

test('control characters of a name do not reach the terminal', () => {
  expect(renderTable(['NAME'], [['a\u001b[31mb']])).toBe('NAME\na�[31mb\n');
});

test('bytes are shown in the largest whole unit', () => {
  expect([0, 1023, 1024, 453_710].map(formatBytes)).toEqual(['0 B', '1023 B', '1.0 KiB', '443.1 KiB']);
});
