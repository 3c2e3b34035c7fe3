import { expect, test } from 'vitest';
import { modelPath, routeOf } from './router.ts';

test.each([
  ['/', { page: 'fleet' }],
  ['/alerts', { page: 'alerts' }],
  ['/alerts/', { page: 'alerts' }],
  ['/models/flight-delay', { page: 'model', name: 'flight-delay' }],
  ['/models/a.b', { page: 'model', name: 'a.b' }],
  ['/models/%3Cimg%3E', { page: 'model', name: '<img>' }],
  ['/models/%E0%A4', { page: 'lost' }],
  ['/models', { page: 'lost' }],
  ['/models/a/b', { page: 'lost' }],
  ['/studies', { page: 'studies' }],
  ['/studies/two-moons', { page: 'study', name: 'two-moons' }],
  ['/studies/a/b', { page: 'lost' }],
  ['/nothing', { page: 'lost' }],
])('%s leads to %j', (path, route) => {
  expect(routeOf(path)).toEqual(route);
});

test('the path of a model leads back to it', () => {
  for (const name of ['a', 'a.b_c-1', '<b>']) expect(routeOf(modelPath(name))).toEqual({ page: 'model', name });
});
