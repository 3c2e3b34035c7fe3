import { TuneFault } from '../fault.ts';
import type { Rng } from '../rng.ts';
import { categoryDomain, type Domain, orderedDomain, rangeDomain } from './domain.ts';
import type { Param, Scalar, SpaceSpec, WhenValue } from './params.ts';

/** The stored form of parameters: active parameters only, nested names joined with dots ("model.svm.C"). */
export type FlatParams = Readonly<Record<string, Scalar>>;

/** A nested suggestion before its static type is applied. */
export interface NestedParams {
  readonly [name: string]: Scalar | undefined | NestedParams;
}

/**
 * One configuration as numbers, one slot a dimension: unit position in [0, 1] for numbers and ordered values, index for
 * categories, NaN for a parameter that does not exist in this configuration.
 */
export type Point = Float64Array;

export interface Condition {
  /** Index of an earlier dimension. */
  readonly dimension: number;
  holds(value: Scalar): boolean;
}

export interface Dimension {
  readonly name: string;
  readonly domain: Domain;
  readonly conditions: readonly Condition[];
  readonly fallback: Scalar | undefined;
}

type Leaf = { readonly dimension: number } | { readonly constant: Scalar };
interface Node {
  readonly key: string;
  readonly name: string;
  readonly conditions: readonly Condition[];
  readonly leaf?: Leaf;
  /** Children of a group (key '') or of each option of a choice. */
  readonly children?: ReadonlyMap<string, readonly Node[]>;
}

/** Spaces with more configurations than this are treated as inexhaustible: counting them would cost more than it saves. */
const countLimit = 200_000;

/** A space ready to be searched: dimensions in an order in which every condition looks back. */
export class Space {
  readonly spec: SpaceSpec;
  readonly dimensions: readonly Dimension[];
  /** Whether any parameter exists only sometimes. */
  readonly isConditional: boolean;
  readonly #tree: readonly Node[];
  readonly #index = new Map<string, number>();

  /** With `open`, any parameter may be absent from any trial: the space of a define-by-run study. */
  readonly isOpen: boolean;

  constructor(spec: SpaceSpec, options: { readonly open?: boolean } = {}) {
    this.spec = spec;
    this.isOpen = options.open ?? false;
    const dimensions: Dimension[] = [];
    this.#tree = this.#compile(spec, '', [], new Map(), dimensions);
    this.dimensions = dimensions;
    if (this.#tree.length === 0 && !this.isOpen) throw new TuneFault('empty_space');
    this.isConditional = this.isOpen || dimensions.some(d => d.conditions.length > 0);
  }

  get size(): number {
    return this.dimensions.length;
  }

  /** Number of distinct configurations; Infinity when a dimension is continuous or there are more than 200,000. */
  count(): number {
    if (!this.isFinite) return Number.POSITIVE_INFINITY;
    if (!this.isConditional) {
      const product = this.dimensions.reduce((n, d) => n * d.domain.count, 1);
      return product > countLimit ? Number.POSITIVE_INFINITY : product;
    }
    let total = 0;
    for (const _ of this.enumerate()) if (++total > countLimit) return Number.POSITIVE_INFINITY;
    return total;
  }

  /** Index of a dimension by its flat name, -1 when there is none. */
  indexOf(name: string): number {
    return this.#index.get(name) ?? -1;
  }

  isActive(point: Point, dimension: number): boolean {
    for (const c of this.dimensions[dimension]!.conditions)
      if (Number.isNaN(point[c.dimension]!) || !c.holds(this.valueAt(c.dimension, point[c.dimension]!))) return false;
    return true;
  }

  valueAt(dimension: number, coordinate: number): Scalar {
    const { domain } = this.dimensions[dimension]!;
    return domain.kind === 'category' ? domain.values[coordinate]! : domain.fromUnit(coordinate);
  }

  /** A uniform coordinate of one dimension. */
  randomCoordinate(dimension: number, rng: Rng): number {
    const { domain } = this.dimensions[dimension]!;
    return domain.kind === 'category' ? rng.int(domain.count) : domain.snap(rng.next());
  }

  random(rng: Rng): Point {
    const point = new Float64Array(this.size);
    for (let i = 0; i < this.size; i++) point[i] = this.randomCoordinate(i, rng);
    return this.settle(point, rng);
  }

  /** Makes a point valid: values on their grid, parameters that do not exist removed, missing ones drawn. */
  settle(point: Point, rng: Rng): Point {
    const out = new Float64Array(this.size);
    for (let i = 0; i < this.size; i++) {
      const { domain } = this.dimensions[i]!;
      const x = point[i]!;
      if (!this.isActive(out, i)) out[i] = Number.NaN;
      else if (Number.isNaN(x)) out[i] = this.randomCoordinate(i, rng);
      else
        out[i] = domain.kind === 'category' ? Math.min(domain.count - 1, Math.max(0, Math.round(x))) : domain.snap(x);
    }
    return out;
  }

  /** Every configuration of a finite space, in lexicographic order; nothing for a space with a continuous dimension. */
  *enumerate(): Generator<Point> {
    if (this.isFinite) yield* this.#enumerateFrom(new Float64Array(this.size), 0);
  }

  /** True when every dimension has finitely many values. */
  get isFinite(): boolean {
    return this.dimensions.every(d => Number.isFinite(d.domain.count));
  }

  *#enumerateFrom(point: Point, i: number): Generator<Point> {
    if (i === this.size) {
      yield point.slice();
      return;
    }
    const { domain } = this.dimensions[i]!;
    if (!this.isActive(point, i)) {
      point[i] = Number.NaN;
      yield* this.#enumerateFrom(point, i + 1);
      return;
    }
    for (let k = 0; k < domain.count; k++) {
      point[i] = domain.kind === 'category' ? k : domain.unitAt(k);
      yield* this.#enumerateFrom(point, i + 1);
    }
  }

  toFlat(point: Point): FlatParams {
    const flat: Record<string, Scalar> = {};
    for (let i = 0; i < this.size; i++)
      if (!Number.isNaN(point[i]!)) flat[this.dimensions[i]!.name] = this.valueAt(i, point[i]!);
    return flat;
  }

  /** The point of stored parameters; undefined when a value lies outside its range or an active one has no value. */
  toPoint(flat: FlatParams): Point | undefined {
    const point = new Float64Array(this.size).fill(Number.NaN);
    for (let i = 0; i < this.size; i++) {
      const { name, domain, fallback } = this.dimensions[i]!;
      if (!this.isActive(point, i)) continue;
      const value = flat[name] ?? fallback;
      if (value === undefined && this.isOpen) continue;
      if (value === undefined || !domain.has(value)) return undefined;
      point[i] = domain.kind === 'category' ? domain.toIndex(value) : domain.toUnit(value);
    }
    return point;
  }

  /** Identity of a configuration, exact to the last bit for continuous values. */
  keyOf(point: Point): string {
    let key = '';
    for (let i = 0; i < this.size; i++) {
      const x = point[i]!;
      const { domain } = this.dimensions[i]!;
      key += Number.isNaN(x)
        ? '|'
        : `${domain.kind === 'numeric' && Number.isFinite(domain.count) ? domain.indexOf(x) : x}|`;
    }
    return key;
  }

  /** The nested suggestion of flat parameters, constants included. */
  nest(flat: FlatParams): NestedParams {
    return this.#nest(this.#tree, flat);
  }

  /** Flat parameters of a (possibly partial) nested suggestion. */
  flatten(nested: NestedParams): FlatParams {
    const flat: Record<string, Scalar> = {};
    this.#flatten(this.#tree, nested, flat);
    return flat;
  }

  /** The defaults: `undefined` when no parameter declares one; parameters without a default take the middle. */
  defaults(): FlatParams | undefined {
    if (this.dimensions.every(d => d.fallback === undefined)) return undefined;
    const point = new Float64Array(this.size).fill(Number.NaN);
    for (let i = 0; i < this.size; i++) {
      const { domain, fallback } = this.dimensions[i]!;
      if (!this.isActive(point, i)) continue;
      if (domain.kind === 'category') point[i] = fallback === undefined ? 0 : domain.toIndex(fallback);
      else point[i] = fallback === undefined ? domain.snap(0.5) : domain.toUnit(fallback);
    }
    return this.toFlat(point);
  }

  #holds(conditions: readonly Condition[], flat: FlatParams): boolean {
    return conditions.every(c => {
      const value = flat[this.dimensions[c.dimension]!.name];
      return value !== undefined && c.holds(value);
    });
  }

  #nest(nodes: readonly Node[], flat: FlatParams): NestedParams {
    const out: Record<string, Scalar | NestedParams> = {};
    for (const node of nodes) {
      if (!this.#holds(node.conditions, flat)) continue;
      if (node.children) {
        const option = node.leaf === undefined ? '' : String(flat[node.name]);
        const inner = this.#nest(node.children.get(option) ?? [], flat);
        out[node.key] = node.leaf === undefined ? inner : { choice: option, ...inner };
      } else if (node.leaf && 'constant' in node.leaf) out[node.key] = node.leaf.constant;
      else if (flat[node.name] !== undefined) out[node.key] = flat[node.name]!;
    }
    return out;
  }

  #flatten(nodes: readonly Node[], nested: NestedParams, flat: Record<string, Scalar>): void {
    for (const node of nodes) {
      const value = nested[node.key];
      if (value === undefined) continue;
      if (node.children && typeof value === 'object' && value !== null) {
        const option = node.leaf === undefined ? '' : value.choice;
        if (node.leaf !== undefined && typeof option === 'string') flat[node.name] = option;
        if (typeof option === 'string') this.#flatten(node.children.get(option) ?? [], value, flat);
      } else if (node.leaf && 'dimension' in node.leaf && (typeof value !== 'object' || value === null))
        flat[node.name] = value;
    }
  }

  #compile(
    spec: SpaceSpec,
    prefix: string,
    outer: readonly Condition[],
    scope: ReadonlyMap<string, number>,
    dimensions: Dimension[],
  ): readonly Node[] {
    const names = new Map(scope);
    const nodes: Node[] = [];
    for (const [key, param] of Object.entries(spec)) {
      const name = prefix + key;
      const own = Object.entries(param.when ?? {}).map(([other, value]) => {
        const dimension = names.get(other);
        if (dimension === undefined) throw new TuneFault('bad_condition', name, `"${other}" is not declared before it`);
        return conditionOn(name, other, dimension, dimensions[dimension]!.domain, value);
      });
      nodes.push(this.#compileParam(param, key, name, [...outer, ...own], names, dimensions));
    }
    return nodes;
  }

  #compileParam(
    param: Param,
    key: string,
    name: string,
    conditions: readonly Condition[],
    names: Map<string, number>,
    dimensions: Dimension[],
  ): Node {
    if (param.type === 'constant') return { key, name, conditions, leaf: { constant: param.value } };
    if (param.type === 'group') {
      const children = this.#compile(param.space, `${name}.`, conditions, names, dimensions);
      return { key, name, conditions, children: new Map([['', children]]) };
    }
    const dimension = dimensions.length;
    const domain = domainOf(name, param);
    if (param.default !== undefined && !domain.has(param.default))
      throw new TuneFault('bad_parameter', name, `its default ${String(param.default)} is not a possible value`);
    if (this.#index.has(name)) throw new TuneFault('bad_parameter', name, 'two parameters have this name');
    dimensions.push({ name, domain, conditions, fallback: param.default });
    this.#index.set(name, dimension);
    names.set(key, dimension);
    if (param.type !== 'choice') return { key, name, conditions, leaf: { dimension } };
    const children = new Map<string, readonly Node[]>();
    for (const [option, inner] of Object.entries(param.options)) {
      const chosen: Condition = { dimension, holds: value => value === option };
      children.set(option, this.#compile(inner, `${name}.${option}.`, [...conditions, chosen], names, dimensions));
    }
    return { key, name, conditions, leaf: { dimension }, children };
  }
}

function domainOf(name: string, param: Exclude<Param, { type: 'constant' | 'group' }>): Domain {
  switch (param.type) {
    case 'float':
    case 'int':
      return rangeDomain(name, param);
    case 'categorical':
      return categoryDomain(name, param.values);
    case 'ordered':
      return orderedDomain(name, param);
    case 'choice':
      return categoryDomain(name, Object.keys(param.options));
    default:
      return param satisfies never;
  }
}

function conditionOn(name: string, other: string, dimension: number, domain: Domain, want: WhenValue): Condition {
  if ('atLeast' in want || 'atMost' in want) {
    const { atLeast = Number.NEGATIVE_INFINITY, atMost = Number.POSITIVE_INFINITY } = want;
    return { dimension, holds: value => typeof value === 'number' && value >= atLeast && value <= atMost };
  }
  if (!Array.isArray(want) || want.length === 0)
    throw new TuneFault('bad_condition', name, `"${other}" needs a list of values or a bound`);
  const wanted: readonly Scalar[] = want;
  const stranger = wanted.find(v => !domain.has(v));
  if (stranger !== undefined) throw new TuneFault('bad_condition', name, `"${other}" is never ${String(stranger)}`);
  return { dimension, holds: value => wanted.includes(value) };
}
