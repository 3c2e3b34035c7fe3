import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { champion, parseModelName, rolloutDefaultsSchema, startRolloutSchema } from '@holdfast/api';
import type { Kysely } from 'kysely';
import { expect, test } from 'vitest';
import { configSchema } from '../config/index.ts';
import { BlobStore, Registry, type RegistrySchema, registryMigrations, withMeaning } from '../registry/index.ts';
import type { ArmReport, RoutingTable } from '../serving/index.ts';
import { openDatabase } from '../storage/index.ts';
import { createLog } from '../telemetry/index.ts';
import { Deployments } from './deployments.ts';
import { Fleet } from './fleet.ts';
import { Rollouts } from './rollouts.ts';
import { type RolloutTables, rolloutMigrations } from './schema.ts';

const model = parseModelName('churn');
const log = createLog('test', 'silent');
const minute = 60_000;

/** A model with version 1 as champion and a version 2; what is durable outlives `restart`. */
class World {
  nowMs = 1_000_000;
  keepsStates = false;
  /** What the gateways do with a table. */
  apply: (table: RoutingTable) => Promise<void> = async () => {};
  readonly registry: Registry;
  readonly #db: Kysely<RegistrySchema & RolloutTables>;
  readonly #blobs: BlobStore;
  #rollouts: Rollouts | undefined;

  private constructor(db: Kysely<RegistrySchema & RolloutTables>, blobs: BlobStore) {
    this.#db = db;
    this.#blobs = blobs;
    this.registry = new Registry(db.$pickTables<keyof RegistrySchema>(), () => this.nowMs);
  }

  static async make(): Promise<World> {
    const db = await openDatabase<RegistrySchema & RolloutTables>({
      path: ':memory:',
      migrations: [...registryMigrations, ...rolloutMigrations],
      durability: 'full',
    });
    const blobs = await BlobStore.open(mkdtempSync(join(tmpdir(), 'holdfast-rollouts-')), { maximumBytes: 10 });
    const world = new World(db, blobs);
    const tensor = { datatype: 'FP32' as const, shape: [-1, 1], optional: false };
    for (const text of ['1', '2']) {
      const { digest } = await blobs.put([Buffer.from(text)]);
      await world.registry.createVersion(model, {
        digest,
        sourceDigest: digest,
        bytes: 1,
        signature: withMeaning({ inputs: [{ ...tensor, name: 'x' }], outputs: [{ ...tensor, name: 'y' }] }),
        provenance: {},
        baseline: undefined,
      });
    }
    await world.registry.moveAlias(model, champion, 1, { actor: 'test', reason: '' });
    await world.restart();
    return world;
  }

  get rollouts(): Rollouts {
    if (this.#rollouts === undefined) throw new Error('not started');
    return this.#rollouts;
  }

  async restart(): Promise<void> {
    const db = this.#db.$pickTables<keyof RolloutTables>();
    const clock = (): number => this.nowMs;
    const { registry } = this;
    const deployments = await Deployments.open(db, clock);
    const defaultsOf = () => rolloutDefaultsSchema.parse({});
    const keepsStates = (): boolean => this.keepsStates;
    const rollouts = await Rollouts.open({ db, registry, deployments, defaultsOf, keepsStates, clock, log });
    const fleet = new Fleet({
      registry,
      blobs: this.#blobs,
      runners: { start: async () => ['/run/it.sock'], stop: async () => {} },
      remotes: { compare: async () => undefined },
      gateways: { apply: table => this.apply(table) },
      configOf: () => configSchema.parse({}).defaults,
      deploymentOf: (name, aliases) => rollouts.overlay(name, undefined, aliases),
      log,
      onChange: () => {},
    });
    rollouts.attach(fleet);
    await fleet.open();
    this.#rollouts = rollouts;
  }

  async start(plan: string, supersede = false) {
    return this.rollouts.start(model, startRolloutSchema.parse({ version: 2, plan, supersede }), 'test');
  }

  /** Both versions answer some requests, and control looks. */
  async answerAndTick(): Promise<void> {
    const stage = this.rollouts.overlay(model, undefined, { champion: 1 })?.stage ?? -1;
    const arm = (version: number, role: 'champion' | 'challenger'): ArmReport => ({
      model,
      release: 'rollout-1',
      stage,
      version,
      role,
      requests: 10,
      errors: 0,
      rows: 10,
      nonFiniteRows: 0,
      latency: [[100, 10]],
      latencySum: 1,
      outputs: [],
      copies: undefined,
    });
    this.rollouts.take([arm(1, 'champion'), arm(2, 'challenger')]);
    await this.rollouts.tick();
  }

  async latest() {
    const [rollout] = await this.rollouts.list(model);
    return rollout;
  }
}

test('a model that keeps states gets no plan with copies, which it could not be judged by', async () => {
  const world = await World.make();
  world.keepsStates = true;
  await expect(world.start('shadow 1m -> 100%')).rejects.toMatchObject({ code: 'rollout_refused' });
  await expect(world.start('100%')).resolves.toBeDefined();
});

test('a promotion that is committed stays one, though the gateways could not be told', async () => {
  const world = await World.make();
  let failures = 0;
  world.apply = async ({ models }) => {
    if (models[0]?.aliases.champion !== 2 || failures++ > 0) return;
    throw new Error('no gateway listens');
  };
  await world.start('100%');
  await world.rollouts.tick();
  expect(failures).toBeGreaterThan(0);
  expect(await world.latest()).toMatchObject({ phase: 'promoted' });
  expect(await world.registry.aliases(model)).toMatchObject([{ version: 2 }]);
});

test('the time in which nobody judged is no time of the step, after one restart or more', async () => {
  const world = await World.make();
  await world.start('5% 30m -> 100%');
  world.nowMs += 5 * minute;
  await world.answerAndTick();
  world.nowMs += 60 * minute;
  await world.restart();
  world.nowMs += 5 * minute;
  await world.answerAndTick();
  world.nowMs += 60 * minute;
  await world.restart();
  world.nowMs += 19 * minute;
  await world.answerAndTick();
  expect((await world.latest())?.decision).toMatchObject({ kind: 'hold', sentence: 'The step is not over yet.' });
  world.nowMs += 2 * minute;
  await world.answerAndTick();
  expect((await world.latest())?.decision?.sentence).toContain('Waiting for');
});

test('a start waits for its version although a tick has begun to load it', async () => {
  const world = await World.make();
  await world.start('5% 30m -> 100%');
  let ticking: Promise<void> | undefined;
  world.apply = async () => {
    ticking ??= world.rollouts.tick();
  };
  expect(await world.start('10% 30m -> 100%', true)).toMatchObject({ phase: 'canary', percent: 10 });
  await ticking;
});
