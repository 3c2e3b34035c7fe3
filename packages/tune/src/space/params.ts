/** A value a parameter can take. */
export type Scalar = string | number | boolean | null;

/** What a sibling or outer parameter must be for this one to exist: one of these values, or inside these bounds. */
export type WhenValue = readonly Scalar[] | { readonly atLeast?: number; readonly atMost?: number };
export type When = Readonly<Record<string, WhenValue>>;

interface Conditional {
  /** The parameter exists only while every named parameter (declared earlier, at this level or further out) matches. */
  readonly when?: When;
}

/** A real number in [low, high]; `step` makes it a grid from low, `log` searches its logarithm (low > 0). */
export interface FloatParam extends Conditional {
  readonly type: 'float';
  readonly low: number;
  readonly high: number;
  readonly step?: number;
  readonly log?: boolean;
  readonly default?: number;
}

/** A whole number in [low, high], both ends included. */
export interface IntParam extends Conditional {
  readonly type: 'int';
  readonly low: number;
  readonly high: number;
  readonly step?: number;
  readonly log?: boolean;
  readonly default?: number;
}

/** One of some values without an order. */
export interface CategoricalParam extends Conditional {
  readonly type: 'categorical';
  readonly values: readonly Scalar[];
  readonly default?: Scalar;
}

/** One of some values in a meaningful order, evenly spaced for the search. */
export interface OrderedParam extends Conditional {
  readonly type: 'ordered';
  readonly values: readonly Scalar[];
  readonly default?: Scalar;
}

/** Always this value; never searched. */
export interface ConstantParam extends Conditional {
  readonly type: 'constant';
  readonly value: Scalar;
}

/** A choice that opens its own parameters; suggested as `{ choice: 'name', ...parameters of that option }`. */
export interface ChoiceParam extends Conditional {
  readonly type: 'choice';
  readonly options: Readonly<Record<string, SpaceSpec>>;
  readonly default?: string;
}

/** Parameters grouped under one name; suggested as a nested object. */
export interface GroupParam extends Conditional {
  readonly type: 'group';
  readonly space: SpaceSpec;
}

export type Param = FloatParam | IntParam | CategoricalParam | OrderedParam | ConstantParam | ChoiceParam | GroupParam;

/** A search space: plain data, so it can be stored, sent and compared. */
export interface SpaceSpec {
  readonly [name: string]: Param;
}

type Flatten<T> = { readonly [K in keyof T]: T[K] };

type ValueOf<P> = P extends { readonly type: 'float' | 'int' }
  ? number
  : P extends { readonly type: 'categorical' | 'ordered'; readonly values: readonly (infer V)[] }
    ? V
    : P extends { readonly type: 'constant'; readonly value: infer V }
      ? V
      : P extends { readonly type: 'choice'; readonly options: infer O }
        ? { readonly [K in keyof O]: Flatten<{ readonly choice: K } & Suggestion<O[K]>> }[keyof O]
        : P extends { readonly type: 'group'; readonly space: infer S }
          ? Suggestion<S>
          : never;

/** The type of what is suggested for a space: conditional parameters may be undefined. */
export type Suggestion<S> = {
  readonly [K in keyof S]: S[K] extends { readonly when: When } ? ValueOf<S[K]> | undefined : ValueOf<S[K]>;
};

/** Keeps the literal types of a space, so that the type of its suggestions can be inferred. */
export function defineSpace<const S extends SpaceSpec>(spec: S): S {
  return spec;
}

interface RangeOptions {
  readonly step?: number;
  readonly log?: boolean;
  readonly default?: number;
}

/** A real number between low and high. */
export function float(low: number, high: number, options: RangeOptions = {}): FloatParam {
  return { type: 'float', low, high, ...options };
}

/** A whole number between low and high, both included. */
export function int(low: number, high: number, options: RangeOptions = {}): IntParam {
  return { type: 'int', low, high, ...options };
}

/** One of the values, in no order. */
export function categorical<const V extends readonly Scalar[]>(
  values: V,
  options: { readonly default?: V[number] } = {},
): { readonly type: 'categorical'; readonly values: V; readonly default?: V[number] } {
  return { type: 'categorical', values, ...options };
}

/** One of the values, whose order means something. */
export function ordered<const V extends readonly Scalar[]>(
  values: V,
  options: { readonly default?: V[number] } = {},
): { readonly type: 'ordered'; readonly values: V; readonly default?: V[number] } {
  return { type: 'ordered', values, ...options };
}

/** A fixed value that travels with every suggestion. */
export function constant<const V extends Scalar>(value: V): { readonly type: 'constant'; readonly value: V } {
  return { type: 'constant', value };
}

/** A choice whose options open their own parameters. */
export function choice<const O extends Readonly<Record<string, SpaceSpec>>>(
  options: O,
  more: { readonly default?: keyof O & string } = {},
): { readonly type: 'choice'; readonly options: O; readonly default?: keyof O & string } {
  return { type: 'choice', options, ...more };
}

/** Parameters under one name. */
export function group<const S extends SpaceSpec>(space: S): { readonly type: 'group'; readonly space: S } {
  return { type: 'group', space };
}

/** Makes a parameter exist only while the named earlier parameters match. */
export function when<const P extends Param, const W extends When>(param: P, condition: W): P & { readonly when: W } {
  return { ...param, when: condition };
}
