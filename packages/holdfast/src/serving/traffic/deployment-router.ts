import type { Tensor } from '@holdfast/api';
import type { ArmRole, RoutedDeployment, RoutedShadow } from '../routing.ts';
import type { SequenceParameters } from '../sequences/sequence-book.ts';
import type { ArmBook } from './arm-book.ts';
import type { ArmNumbers } from './arm-numbers.ts';
import { chooseByChance, chooseByKey, hashText, type WeightedChoice } from './key-hash.ts';
import { predictionReader } from './predicted.ts';
import { compileCondition, type FactReader, factReader, type Matcher, type RequestFacts } from './request-facts.ts';
import type { ServedVersion } from './served-version.ts';

/** A version that gets a copy. */
export interface ShadowArm {
  readonly served: ServedVersion;
  readonly numbers: ArmNumbers;
  readonly weight: number;
  readonly tolerance: number;
}

/** Who answers a request. Made when a table comes into force, so that a request makes nothing. */
export interface Assignment {
  readonly kind: 'assigned';
  readonly served: ServedVersion;
  /** Undefined where no deployment is under way, and for callers that named their version. */
  readonly arm: ArmNumbers | undefined;
  readonly shadows: readonly ShadowArm[];
  /** The answer may change once the inputs are decoded: ask `settle`. */
  readonly router: DeploymentRouter | undefined;
}

const whole = 10_000;
const none: readonly never[] = [];

interface Rule {
  readonly matchers: readonly Matcher[];
  readonly assignment: Assignment;
}

export interface DeploymentRouterOptions {
  readonly model: string;
  readonly deployment: RoutedDeployment;
  readonly champion: ServedVersion;
  readonly versions: ReadonlyMap<number, ServedVersion>;
  readonly book: ArmBook;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** A version that no table says anything about. */
export function plainAssignment(served: ServedVersion): Assignment {
  return { kind: 'assigned', served, arm: undefined, shadows: none, router: undefined };
}

/**
 * Deals requests that name no version: the first matching rule, else by share of the request's key, else by chance. A
 * version that is not ready gets nothing, so that its share falls to the others. A sequence is dealt once: its state is
 * where its first request was answered.
 */
export class DeploymentRouter {
  /** By index of `#choices`; the champion is the first one. */
  readonly #shares: readonly Assignment[];
  readonly #choices: readonly WeightedChoice[];
  readonly #rules: readonly Rule[];
  readonly #sticky: FactReader | undefined;
  readonly #keySeed: number;
  readonly #random: () => number;
  /** All parts of a stateful model, to look for a sequence in; none for other models. */
  readonly #stateful: readonly Assignment[];
  readonly #needsInputs: boolean;
  readonly #first: Assignment;
  readonly arms: readonly ArmNumbers[];

  constructor({ model, deployment, champion, versions, book, random }: DeploymentRouterOptions) {
    const { release, stage, salt } = deployment;
    const arms: ArmNumbers[] = [];
    const arm = (served: ServedVersion, role: ArmRole): ArmNumbers => {
      const name = { model, release, stage, version: served.version, role };
      const numbers = book.arm(name, predictionReader(served.signature));
      arms.push(numbers);
      return numbers;
    };
    const ready = <T extends { readonly version: number }>(entries: readonly T[]) =>
      entries.flatMap(entry => {
        const served = versions.get(entry.version);
        return served?.state === 'ready' ? [{ ...entry, served }] : [];
      });
    const shadows = ready(deployment.shadows)
      // A copy has no sequence, and so no state.
      .filter(({ weight, served }) => weight > 0 && served.sequences === undefined)
      .map(({ served, weight, tolerance }: RoutedShadow & { readonly served: ServedVersion }) => ({
        served,
        weight,
        tolerance,
        numbers: arm(served, 'shadow'),
      }));
    const challengers = ready(deployment.challengers).filter(({ served }) => served !== champion);
    const rest = whole - challengers.reduce((sum, { weight }) => sum + weight, 0);
    const seedOf = (version: number | 'champion'): number => hashText(`${release}|${salt}|${version}`);
    const assigned = (served: ServedVersion, role: ArmRole): Assignment => ({
      kind: 'assigned',
      served,
      arm: arm(served, role),
      shadows: role === 'champion' ? shadows : none,
      router: undefined,
    });
    this.#shares = [assigned(champion, 'champion'), ...challengers.map(({ served }) => assigned(served, 'challenger'))];
    this.#choices = [
      { seed: seedOf('champion'), weight: Math.max(0, rest) },
      ...challengers.map(({ version, weight }) => ({ seed: seedOf(version), weight })),
    ];
    this.#rules = ready(deployment.rules).map(({ served, conditions }) => ({
      matchers: conditions.map(condition => compileCondition(condition, champion.signature)),
      assignment: served === champion ? this.#shares[0]! : assigned(served, 'segment'),
    }));
    const isShared = challengers.some(({ weight }) => weight > 0);
    this.#sticky = deployment.sticky && isShared ? factReader(deployment.sticky, champion.signature) : undefined;
    this.#keySeed = hashText(salt, hashText(release));
    this.#random = random;
    const parts = [...this.#shares, ...this.#rules.map(({ assignment }) => assignment)];
    this.#stateful = parts.length === 1 ? none : parts.filter(({ served }) => served.sequences !== undefined);
    this.#needsInputs =
      this.#stateful.length > 0 ||
      this.#sticky?.needsInputs === true ||
      this.#rules.some(({ matchers }) => matchers.some(one => one.needsInputs));
    this.#first = { ...this.#shares[0]!, router: this };
    this.arms = arms;
  }

  /** Decides at once where the headers suffice; otherwise the champion, until `settle`. */
  assign(facts: RequestFacts): Assignment {
    return this.#needsInputs ? this.#first : this.settle(facts, none);
  }

  /** Decides with the decoded inputs; the first row speaks for its request. */
  settle(facts: RequestFacts, inputs: readonly Tensor[], sequence?: SequenceParameters): Assignment {
    if (sequence !== undefined) {
      const home = this.#stateful.find(({ served }) => served.sequences?.has(sequence));
      if (home !== undefined) return home;
    }
    for (const { matchers, assignment } of this.#rules) {
      if (matchers.every(matcher => matcher.matches(facts, inputs))) return assignment;
    }
    if (this.#shares.length === 1) return this.#shares[0]!;
    const key = this.#sticky === undefined ? facts.header('x-holdfast-key') : this.#sticky.read(facts, inputs);
    const chosen =
      key === undefined || key === ''
        ? chooseByChance(this.#random(), this.#choices)
        : chooseByKey(hashText(key, this.#keySeed), this.#choices);
    return this.#shares[chosen] ?? this.#shares[0]!;
  }
}
