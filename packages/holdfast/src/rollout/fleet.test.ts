import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fault, parseAlias, parseModelName } from '@holdfast/api';
import { expect, test } from 'vitest';
import { configSchema } from '../config/index.ts';
import { BlobStore, Registry, type RegistrySchema, registryMigrations, withMeaning } from '../registry/index.ts';
import type { RunnerTarget } from '../runtime/index.ts';
import type { RoutingTable } from '../serving/index.ts';
import { openDatabase } from '../storage/index.ts';
import { createLog } from '../telemetry/index.ts';
import { Fleet } from './fleet.ts';

const churn = parseModelName('churn');
const champion = parseAlias('champion');
const by = { actor: 'test', reason: '' };

/** Runners that start at once, except those told to fail; writes down what it was asked. */
class FakeRunners {
  readonly calls: string[] = [];
  readonly broken = new Set<number>();
  /** Starts wait for this. */
  loading: Promise<void> | undefined;

  async start(target: RunnerTarget): Promise<readonly string[]> {
    this.calls.push(`start ${target.version}`);
    await this.loading;
    if (this.broken.has(target.version)) throw fault('model_rejected', 'no such operator');
    return [`/run/${target.version}.sock`];
  }

  async stop(_model: string, version: number): Promise<void> {
    this.calls.push(`stop ${version}`);
  }
}

async function openFleet(versions: number) {
  const db = await openDatabase<RegistrySchema>({
    path: ':memory:',
    migrations: registryMigrations,
    durability: 'full',
  });
  let now = 0;
  const registry = new Registry(db, () => ++now);
  const blobs = await BlobStore.open(mkdtempSync(join(tmpdir(), 'holdfast-fleet-')), { maximumBytes: 10 });
  for (let i = 1; i <= versions; i++) {
    const { digest } = await blobs.put([Buffer.from(String(i))]);
    await registry.createVersion(churn, {
      digest,
      sourceDigest: digest,
      bytes: 1,
      signature: withMeaning({
        inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 1], optional: false }],
        outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 1], optional: false }],
      }),
      provenance: {},
      baseline: undefined,
    });
  }
  const runners = new FakeRunners();
  const tables: RoutingTable[] = [];
  const fleet = new Fleet({
    registry,
    blobs,
    runners,
    remotes: { compare: async () => undefined },
    gateways: { apply: async table => void tables.push(table) },
    configOf: () => configSchema.parse({}).defaults,
    deploymentOf: () => undefined,
    log: createLog('test', 'silent'),
    onChange: () => {},
  });
  return { fleet, registry, runners, tables, championOf: () => tables.at(-1)?.models[0]?.aliases.champion };
}

test('an alias flips only after its version is loaded, and the one before stays warm', async () => {
  const { fleet, runners, tables, championOf } = await openFleet(2);
  await fleet.moveAlias(churn, champion, 1, by);
  await fleet.moveAlias(churn, champion, 2, by);
  expect(runners.calls).toEqual(['start 1', 'start 2']);
  expect(championOf()).toBe(2);
  expect(tables.at(-1)?.models[0]?.versions.map(version => version.state)).toEqual(['ready', 'ready']);
});

test('a rollback flips to the warm version without starting anything', async () => {
  const { fleet, runners, championOf } = await openFleet(2);
  await fleet.moveAlias(churn, champion, 1, by);
  await fleet.moveAlias(churn, champion, 2, by);
  const move = await fleet.rollback(churn, by);
  expect(move).toMatchObject({ fromVersion: 2, toVersion: 1 });
  expect(championOf()).toBe(1);
  expect(runners.calls.filter(call => call.startsWith('start'))).toEqual(['start 1', 'start 2']);
});

test('a version that nobody points at any more is drained after the flip', async () => {
  const { fleet, runners } = await openFleet(3);
  for (const version of [1, 2, 3]) await fleet.moveAlias(churn, champion, version, by);
  expect(runners.calls).toEqual(['start 1', 'start 2', 'start 3', 'stop 1']);
});

test('a version that was rolled back and then removed is not kept warm', async () => {
  const { fleet, runners } = await openFleet(2);
  for (const version of [1, 2]) await fleet.moveAlias(churn, champion, version, by);
  await fleet.rollback(churn, by);
  await fleet.removeVersion(churn, 2);
  expect(runners.calls.at(-1)).toBe('stop 2');
});

test('a version that cannot be loaded leaves the alias where it was', async () => {
  const { fleet, runners, registry } = await openFleet(2);
  await fleet.moveAlias(churn, champion, 1, by);
  runners.broken.add(2);
  await expect(fleet.moveAlias(churn, champion, 2, by)).rejects.toMatchObject({ code: 'model_rejected' });
  expect(await registry.aliases(churn)).toMatchObject([{ alias: 'champion', version: 1 }]);
});

test('while models load at the start the first table says so of each, and which is the champion', async () => {
  const { fleet, runners, tables, registry } = await openFleet(2);
  await registry.moveAlias(churn, champion, 2, by);
  const loading = Promise.withResolvers<void>();
  runners.loading = loading.promise;
  const opened = fleet.open();
  await expect.poll(() => tables.length).toBe(1);
  expect(tables[0]?.models[0]).toMatchObject({ aliases: { champion: 2 } });
  expect(tables[0]?.models[0]?.versions.map(({ state }) => state)).toEqual(['unloaded', 'loading']);
  loading.resolve();
  await opened;
  expect(tables.at(-1)?.models[0]?.versions.map(({ state }) => state)).toEqual(['unloaded', 'ready']);
});

test('gateways learn of a quarantine before the version that it falls back to is loaded', async () => {
  const { fleet, runners, tables } = await openFleet(3);
  for (const version of [1, 2, 3]) await fleet.moveAlias(churn, champion, version, by);
  const before = tables.length;
  const loading = Promise.withResolvers<void>();
  runners.loading = loading.promise;
  const busy = fleet.moveAlias(churn, champion, 1, by);
  const done = fleet.quarantine(churn, 3, 'its runner died three times within a minute');
  await expect
    .poll(() => tables[before]?.models[0]?.versions.find(({ version }) => version === 3)?.state)
    .toBe('quarantined');
  loading.resolve();
  await Promise.all([busy, done]);
});

test('a quarantined champion falls back to the last good version', async () => {
  const { fleet, registry, championOf } = await openFleet(2);
  await fleet.moveAlias(churn, champion, 1, by);
  await fleet.moveAlias(churn, champion, 2, by);
  await fleet.quarantine(churn, 2, 'its runner died three times within a minute');
  expect(championOf()).toBe(1);
  expect(fleet.stateOf(churn, 2)).toMatchObject({ state: 'quarantined' });
  expect((await registry.history(churn))[0]).toMatchObject({ actor: 'holdfast', fromVersion: 2, toVersion: 1 });
});

test('a restart loads what aliases point at, and nothing else', async () => {
  const { fleet, registry, runners, championOf } = await openFleet(3);
  await registry.moveAlias(churn, champion, 2, by);
  await fleet.open();
  expect(runners.calls).toEqual(['start 2']);
  expect(championOf()).toBe(2);
});

test('concurrent moves of one model happen one after the other', async () => {
  const { fleet, registry, tables } = await openFleet(2);
  await Promise.all([
    fleet.moveAlias(churn, champion, 1, by),
    fleet.moveAlias(churn, champion, 2, by),
    fleet.rollback(churn, by),
  ]);
  expect((await registry.history(churn)).map(move => move.toVersion)).toEqual([1, 2, 1]);
  expect(tables.map(table => table.generation)).toEqual([1, 2, 3]);
});
