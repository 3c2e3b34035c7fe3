import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const css = readFileSync(new URL('./palette.css', import.meta.url), 'utf8');
const pairs = new Map(
  [...css.matchAll(/--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)/g)].map(([, name, light, dark]) => [
    name ?? '',
    { light: light ?? '', dark: dark ?? '' },
  ]),
);

/** Relative luminance of an sRGB colour (WCAG 2.2). */
function luminance(hex: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map(at => {
    const channel = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** Contrast ratio of two colours (WCAG 2.2), 1 to 21. */
function contrast(a: string, b: string): number {
  const [bright, dim] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return ((bright ?? 0) + 0.05) / ((dim ?? 0) + 0.05);
}

function contrastOf(front: string, back: string, theme: 'light' | 'dark'): number {
  const [a, b] = [pairs.get(front), pairs.get(back)];
  if (a === undefined || b === undefined) throw new Error(`no such colour: ${front} or ${back}`);
  return contrast(a[theme], b[theme]);
}

test('the contrast of black on white is 21', () => {
  expect(contrast('#000000', '#ffffff')).toBeCloseTo(21);
});

const backgrounds = ['canvas', 'surface', 'raised'];
const texts = [
  ...['ink', 'muted', 'accent', 'bad'].flatMap(front => backgrounds.map(back => [front, back] as const)),
  ...['good', 'bad', 'warn'].map(tone => [tone, `${tone}-soft`] as const),
  ['on-accent', 'accent'],
  ['accent', 'accent-soft'],
  ['warn', 'surface'],
] as const;

test.each(texts)('text in %s on %s has a contrast of at least 4.5 in both themes', (front, back) => {
  expect(contrastOf(front, back, 'light')).toBeGreaterThanOrEqual(4.5);
  expect(contrastOf(front, back, 'dark')).toBeGreaterThanOrEqual(4.5);
});

const drawings = [
  ['strong-line', 'surface'],
  ['series-1', 'surface'],
  ['series-2', 'surface'],
  ['series-3', 'surface'],
  ['series-4', 'surface'],
  ['series-5', 'surface'],
  ['hot-line', 'surface'],
  ['hot-mark', 'hot-2'],
] as const;

test.each(drawings)('%s on %s has the contrast of 3 that drawings need in both themes', (front, back) => {
  expect(contrastOf(front, back, 'light')).toBeGreaterThanOrEqual(3);
  expect(contrastOf(front, back, 'dark')).toBeGreaterThanOrEqual(3);
});

test.each(['calm-0', 'calm-1', 'calm-2', 'calm-3', 'calm-4'])('the outline of a breach stands out from %s', calm => {
  expect(contrastOf('hot-line', calm, 'light')).toBeGreaterThanOrEqual(2);
  expect(contrastOf('hot-line', calm, 'dark')).toBeGreaterThanOrEqual(2);
});
