import { champion } from '@holdfast/api';
import type { RoutedModel, RoutedVersion, RoutingTable } from '../routing.ts';
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
  readonly #options: ServedVersionOptions;
  #models: ReadonlyMap<string, ServedModel> = new Map();
  #generation = -1;
  /** Flips happen one after another. */
  #flips: Promise<void> = Promise.resolve();

  constructor(options: ServedVersionOptions) {
    this.#options = options;
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
    const dropped = [...this.versions()].filter(served => !kept.some(entry => entry.served === served));
    this.#models = next;
    this.#generation = table.generation;
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

  #next(model: RoutedModel, kept: { served: ServedVersion; routed: RoutedVersion }[]): ServedModel {
    const current = this.#models.get(model.name);
    const versions = new Map<number, ServedVersion>();
    for (const routed of model.versions.toSorted((a, b) => b.version - a.version)) {
      const served = current?.versions.get(routed.version) ?? new ServedVersion(model.name, routed, this.#options);
      versions.set(routed.version, served);
      kept.push({ served, routed });
    }
    return { name: model.name, aliases: new Map(Object.entries(model.aliases)), versions };
  }

  /** Closes every link; nothing may be in flight. */
  async close(): Promise<void> {
    await this.#flips;
    await Promise.all([...this.versions()].map(served => served.close()));
    this.#models = new Map();
  }
}
