import { expect, test } from 'vitest';
import { nextTheme } from './theme.ts';

test('the button goes through system, light and dark and comes round', () => {
  expect(nextTheme('system')).toBe('light');
  expect(nextTheme('light')).toBe('dark');
  expect(nextTheme('dark')).toBe('system');
});
