import { expect, test } from 'vitest';
import { importsOf, violationOf } from './check-architecture.ts';

const at = (room: string) => `packages/holdfast/src/${room}/file.ts`;

test.each([
  [at('serving'), '../monitoring/index.ts', /room serving may not import room monitoring/],
  [at('serving'), '../predlog/index.ts', /room serving may not/],
  [at('monitoring'), '../predlog/log-chunk.ts', /by its door/],
  [at('monitoring'), '../console/index.ts', /may not import room console/],
  [at('cli'), '../compose/data-directory.ts', /may not import room compose/],
  ['packages/stats/src/x.ts', '@holdfast/api', /package stats may not import/],
  ['packages/tune/src/x.ts', '../../stats/src/rng.ts', /by its package name/],
  ['dashboard/src/x.ts', '@holdfast/onnx', /package dashboard may not import/],
])('%s may not import %s', (file, target, why) => {
  expect(violationOf({ file, target })).toMatch(why);
});

test.each([
  [at('serving'), '../runtime/index.ts'],
  [at('serving'), './router.ts'],
  [at('console'), '../monitoring/index.ts'],
  [at('compose'), '../predlog/index.ts'],
  ['packages/holdfast/src/main.ts', './cli/index.ts'],
  ['packages/tune/src/x.ts', '@holdfast/stats'],
  [at('storage'), 'kysely'],
])('%s may import %s', (file, target) => {
  expect(violationOf({ file, target })).toBeUndefined();
});

test('imports, type imports and re-exports are found, also over several lines', () => {
  const source = `import a from 'a';\nimport type {\n  B,\n} from "b";\nexport * from './c.ts';\nimport 'd';\nconst s = "import x from 'no'";\n`;
  expect(importsOf(source)).toEqual(['a', 'b', './c.ts', 'd']);
});
