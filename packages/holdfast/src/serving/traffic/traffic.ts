import { champion } from '@holdfast/api';
import type { MetricRegistry } from '../../telemetry/index.ts';
import type { ArmReport } from '../gateway-report.ts';
import type { RoutedModel, RoutedVersion, RoutingTable } from '../routing.ts';
import { ArmBook } from './arm-book.ts';
import { type Assignment, DeploymentRouter, plainAssignment } from './deployment-router.ts';
import type { RequestFacts } from './request-facts.ts';
import { ServedVersion, type ServedVersionOptions } from './served-version.ts';

/** Which version a request names: none, a number, an alias, or text that may be either. */
export type Selector =
  | { readonly kind: 'default' }
  | { readonly kind: 'version'; readonly version: number }
  | { readonly kind: 'alias'; readonly alias: string };

export type Resolution =
  | { readonly kind: 'ready'; readonly served: ServedVersion }
  | { readonly kind: 'not-ready'; readonly served: ServedVersion }
  | { readonly kind: 'no-model' }
  | { readonly kind: 'no-default' }
  | { readonly kind: 'no-version'; readonly version: number }
  | { readonly kind: 'no-alias'; readonly alias: string };

/** A model as routed now. */
export interface ServedModel {
  readonly name: string;
  readonly aliases: ReadonlyMap<string, number>;
  /** By number, newest first. */
  readonly versions: ReadonlyMap<number, ServedVersion>;
  /** Undefined when the champion answers all. */
  readonly router: DeploymentRouter | undefined;
  /** The version that plays a part in the deployment, by the name of the part. */
  readonly roles: ReadonlyMap<string, number>;
}

export interface TrafficOptions extends Omit<ServedVersionOptions, 'find'> {
  readonly registry: MetricRegistry;
  /** Uniform in [0, 1), for requests without a key. @default Math.random */
  readonly random?: () => number;
}

/** The selector that a version or alias in a path means. */
export function parseSelector(text: string | undefined): Selector {
  if (text === undefined) return { kind: 'default' };
  const version = Number(text);
  if (/^[0-9]{1,15}$/.test(text)) return { kind: 'version', version };
  return { kind: 'alias', alias: text };
}

/** Who answers: the table in force, replaced as a whole without failing a request. */
export class Traffic {
  readonly #options: TrafficOptions;
  readonly #book: ArmBook;
  #models: ReadonlyMap<string, ServedModel> = new Map();
  #generation = -1;
  /** Flips happen one after another. */
  #flips: Promise<void> = Promise.resolve();

  constructor(options: TrafficOptions) {
    this.#options = options;
    this.#book = new ArmBook(options.registry);
  }

  /** What the arms of deployments did since the last call. */
  takeArms(): readonly ArmReport[] {
    return this.#book.take();
  }

  /** -1 before the first table. */
  get generation(): number {
    return this.#generation;
  }

  get models(): ReadonlyMap<string, ServedModel> {
    return this.#models;
  }

  *versions(): Generator<ServedVersion> {
    for (const model of this.#models.values()) yield* model.versions.values();
  }

  /**
   * Who answers a prediction. A caller that names a version gets it; so does one that names a version, an alias or a
   * role in the header `x-holdfast-route`, for testers.
   */
  assign(name: string, selector: Selector, facts: RequestFacts): Assignment | Exclude<Resolution, { kind: 'ready' }> {
    if (selector.kind === 'default') {
      const pinned = facts.header('x-holdfast-route');
      if (pinned !== undefined && pinned !== '') return this.#pinned(name, pinned);
      const router = this.#models.get(name)?.router;
      if (router !== undefined) return router.assign(facts);
    }
    const resolution = this.resolve(name, selector);
    return resolution.kind === 'ready' ? plainAssignment(resolution.served) : resolution;
  }

  #pinned(name: string, pinned: string): Assignment | Exclude<Resolution, { kind: 'ready' }> {
    const version = this.#models.get(name)?.roles.get(pinned);
    const selector: Selector = version === undefined ? parseSelector(pinned) : { kind: 'version', version };
    const resolution = this.resolve(name, selector);
    return resolution.kind === 'ready' ? plainAssignment(resolution.served) : resolution;
  }

  resolve(name: string, selector: Selector): Resolution {
    const model = this.#models.get(name);
    if (model === undefined) return { kind: 'no-model' };
    let number: number | undefined;
    switch (selector.kind) {
      case 'default':
        number = model.aliases.get(champion);
        if (number === undefined) return { kind: 'no-default' };
        break;
      case 'alias':
        number = model.aliases.get(selector.alias);
        if (number === undefined) return { kind: 'no-alias', alias: selector.alias };
        break;
      case 'version':
        number = selector.version;
        break;
      default:
        return selector satisfies never;
    }
    const served = model.versions.get(number);
    if (served === undefined) return { kind: 'no-version', version: number };
    return { kind: served.state === 'ready' ? 'ready' : 'not-ready', served };
  }

  /**
   * Puts a table in force: first links to new runners are opened, then all requests go by the new table, then what it
   * dropped finishes and is closed. Settles after the last step; an older generation than the one in force is ignored.
   */
  async apply(table: RoutingTable): Promise<void> {
    const flip = this.#flips.then(() => this.#flip(table));
    this.#flips = flip.then(
      () => {},
      () => {},
    );
    const finish = await flip;
    await finish();
  }

  /** Switches over, and returns how to finish with what the table dropped. */
  async #flip(table: RoutingTable): Promise<() => Promise<void>> {
    if (table.generation <= this.#generation) return async () => {};
    const next = new Map<string, ServedModel>();
    const kept: { readonly served: ServedVersion; readonly routed: RoutedVersion }[] = [];
    for (const model of table.models) next.set(model.name, this.#next(model, kept));
    await Promise.all(kept.map(({ served, routed }) => served.prepare(routed)));
    for (const { served, routed } of kept) served.take(routed);
    for (const model of table.models) next.set(model.name, this.#withRouter(model, next.get(model.name)!));
    const dropped = [...this.versions()].filter(served => !kept.some(entry => entry.served === served));
    for (const served of dropped) served.drop();
    this.#models = next;
    this.#generation = table.generation;
    this.#book.keep(new Set([...next.values()].flatMap(model => model.router?.arms ?? [])));
    const applied = kept.map(({ served, routed }) => served.apply(routed));
    return async () => {
      await Promise.all(applied);
      await Promise.all(
        dropped.map(async served => {
          await served.whenIdle();
          await served.close();
        }),
      );
    };
  }

  #open(model: string, routed: RoutedVersion): ServedVersion {
    const find = (part: string, version: number | string): ServedVersion | undefined => {
      const resolution = this.resolve(part, parseSelector(String(version)));
      return resolution.kind === 'ready' ? resolution.served : undefined;
    };
    return new ServedVersion(model, routed, { ...this.#options, find });
  }

  #next(model: RoutedModel, kept: { served: ServedVersion; routed: RoutedVersion }[]): ServedModel {
    const current = this.#models.get(model.name);
    const versions = new Map<number, ServedVersion>();
    for (const routed of model.versions.toSorted((a, b) => b.version - a.version)) {
      const known = current?.versions.get(routed.version);
      // Until it is loaded an ensemble is not known to be one.
      const isSame = known !== undefined && known.isEnsemble === (routed.ensemble !== undefined);
      const served = isSame ? known : this.#open(model.name, routed);
      versions.set(routed.version, served);
      kept.push({ served, routed });
    }
    const aliases = new Map(Object.entries(model.aliases));
    return { name: model.name, aliases, versions, router: undefined, roles: new Map() };
  }

  /** Once its versions know their new states. */
  #withRouter({ name, deployment }: RoutedModel, model: ServedModel): ServedModel {
    const current = model.versions.get(model.aliases.get(champion) ?? -1);
    if (deployment === undefined || current?.state !== 'ready') return model;
    const { random = Math.random } = this.#options;
    const { versions } = model;
    const router = new DeploymentRouter({
      model: name,
      deployment,
      champion: current,
      versions,
      book: this.#book,
      random,
    });
    const roles = new Map<string, number>();
    for (const { version } of deployment.shadows.slice(0, 1)) roles.set('shadow', version).set('challenger', version);
    for (const { version } of deployment.challengers.slice(0, 1)) roles.set('challenger', version);
    return { ...model, router, roles };
  }

  /** Closes every link; nothing may be in flight. */
  async close(): Promise<void> {
    await this.#flips;
    await Promise.all([...this.versions()].map(served => served.close()));
    this.#models = new Map();
  }
}
