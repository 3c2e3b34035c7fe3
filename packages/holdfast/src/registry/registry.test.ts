import { type Digest, digestSchema, parseAlias, parseModelName } from '@holdfast/api';
import { expect, test } from 'vitest';
import { openDatabase } from '../storage/index.ts';
import { withMeaning } from './meaning.ts';
import { Registry, type VersionContents } from './registry.ts';
import { type RegistrySchema, registryMigrations } from './schema.ts';

const churn = parseModelName('churn');
const champion = parseAlias('champion');
const by = { actor: 'test', reason: 'because' };

function digest(letter: string): Digest {
  return digestSchema.parse(`sha256:${letter.repeat(64)}`);
}

function contents(letter: string): VersionContents {
  return {
    digest: digest(letter),
    sourceDigest: digest(letter),
    bytes: 10,
    signature: withMeaning({
      inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 1], optional: false }],
      outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 1], optional: false }],
    }),
    provenance: { file: 'm.onnx' },
    baseline: undefined,
  };
}

async function openRegistry(): Promise<Registry> {
  let now = 1000;
  const db = await openDatabase<RegistrySchema>({
    path: ':memory:',
    migrations: registryMigrations,
    durability: 'full',
  });
  return new Registry(db, () => now++);
}

test('versions count up from 1 and keep what they were given', async () => {
  const registry = await openRegistry();
  const first = await registry.createVersion(churn, contents('a'));
  const second = await registry.createVersion(churn, contents('b'));
  expect([first.version, second.version]).toEqual([1, 2]);
  expect(first).toMatchObject({ digest: digest('a'), provenance: { file: 'm.onnx' }, createdAtMs: 1000 });
  expect(await registry.modelNames()).toEqual(['churn']);
});

test('a version number is never given to other contents', async () => {
  const registry = await openRegistry();
  await registry.createVersion(churn, contents('a'), 7);
  await expect(registry.createVersion(churn, contents('b'), 7)).rejects.toMatchObject({ code: 'version_exists' });
  expect((await registry.createVersion(churn, contents('a'), 7)).version).toBe(7);
});

test('moving an alias is recorded with who and why, and counts its generation up', async () => {
  const registry = await openRegistry();
  await registry.createVersion(churn, contents('a'));
  await registry.createVersion(churn, contents('b'));
  await registry.moveAlias(churn, champion, 1, by);
  await registry.moveAlias(churn, champion, 2, by);
  expect(await registry.aliases(churn)).toEqual([{ alias: 'champion', version: 2, generation: 2 }]);
  expect(await registry.history(churn)).toMatchObject([
    { fromVersion: 1, toVersion: 2, generation: 2, actor: 'test', reason: 'because' },
    { fromVersion: null, toVersion: 1, generation: 1 },
  ]);
});

test('an alias that somebody else moved meanwhile is not moved again', async () => {
  const registry = await openRegistry();
  await registry.createVersion(churn, contents('a'));
  await registry.createVersion(churn, contents('b'));
  await registry.moveAlias(churn, champion, 1, { ...by, expectedGeneration: 0 });
  await expect(registry.moveAlias(churn, champion, 2, { ...by, expectedGeneration: 0 })).rejects.toMatchObject({
    code: 'alias_moved',
  });
});

test('rolling back twice goes two versions back, not there and back again', async () => {
  const registry = await openRegistry();
  for (const letter of ['a', 'b', 'c']) {
    const { version } = await registry.createVersion(churn, contents(letter));
    await registry.moveAlias(churn, champion, version, by);
  }
  expect(await registry.previousVersion(churn, champion)).toBe(2);
  await registry.moveAlias(churn, champion, 2, by);
  expect(await registry.previousVersion(churn, champion)).toBe(1);
  await registry.moveAlias(churn, champion, 1, by);
  expect(await registry.previousVersion(churn, champion)).toBeUndefined();
});

test('a quarantined version is not a place to go back to', async () => {
  const registry = await openRegistry();
  for (const letter of ['a', 'b', 'c']) {
    const { version } = await registry.createVersion(churn, contents(letter));
    await registry.moveAlias(churn, champion, version, by);
  }
  await registry.quarantine(churn, 2, 'its runner died three times within a minute');
  expect(await registry.previousVersion(churn, champion)).toBe(1);
});

test('a version that an alias points at cannot be removed', async () => {
  const registry = await openRegistry();
  await registry.createVersion(churn, contents('a'));
  await registry.moveAlias(churn, champion, 1, by);
  await expect(registry.removeVersion(churn, 1)).rejects.toMatchObject({ code: 'version_in_use' });
  await registry.removeAlias(churn, champion, by);
  await registry.removeVersion(churn, 1);
  await expect(registry.versions(churn)).rejects.toMatchObject({ code: 'model_not_found' });
});

test('a number of a removed champion is not used again', async () => {
  const registry = await openRegistry();
  await registry.createVersion(churn, contents('a'));
  await registry.moveAlias(churn, champion, 1, by);
  await registry.removeModel(churn);
  expect((await registry.createVersion(churn, contents('b'))).version).toBe(2);
});

test('deploying the same file again finds the version it became', async () => {
  const registry = await openRegistry();
  await registry.createVersion(churn, contents('a'));
  expect(await registry.findSame(churn, digest('a'), undefined)).toBe(1);
  expect(await registry.findSame(churn, digest('a'), digest('b'))).toBeUndefined();
});
