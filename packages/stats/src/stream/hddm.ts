import { requireFinite, requireRange, type StreamDetector, type StreamSignal } from './stream-detector.ts';

export interface HddmOptions {
  /** Confidence of a drift. In (0, 1). @default 0.001 */
  readonly driftConfidence?: number;
  /** Confidence of a warning. In (0, 1). @default 0.005 */
  readonly warningConfidence?: number;
  /** Also alarm when the level falls. @default false */
  readonly twoSided?: boolean;
}

/** HDDM with moving averages (Frias-Blanco et al. 2014), Hoeffding's bound on values in [0, 1]: for sudden changes. */
export class HddmA implements StreamDetector {
  readonly #driftConfidence: number;
  readonly #warningConfidence: number;
  readonly #twoSided: boolean;
  #count = 0;
  #sum = 0;
  #lowCount = 0;
  #lowSum = 0;
  #highCount = 0;
  #highSum = 0;

  constructor(options: HddmOptions = {}) {
    this.#driftConfidence = requireRange('driftConfidence', options.driftConfidence ?? 0.001, 1e-300, 1);
    this.#warningConfidence = requireRange('warningConfidence', options.warningConfidence ?? 0.005, 1e-300, 1);
    this.#twoSided = options.twoSided ?? false;
  }

  update(value: number): StreamSignal {
    this.#count++;
    this.#sum += requireFinite(value);
    this.#moveCuts();
    if (this.#rose(this.#driftConfidence) || (this.#twoSided && this.#fell(this.#driftConfidence))) {
      this.#reset();
      return 'drift';
    }
    const warns = this.#rose(this.#warningConfidence) || (this.#twoSided && this.#fell(this.#warningConfidence));
    return warns ? 'warning' : 'stable';
  }

  /** Keeps the prefix whose mean is surely lowest, and the one whose mean is surely highest. */
  #moveCuts(): void {
    const half = Math.log(1 / this.#driftConfidence) / 2;
    const mean = this.#sum / this.#count;
    const bound = Math.sqrt(half / this.#count);
    if (this.#lowCount === 0 || this.#lowSum / this.#lowCount + Math.sqrt(half / this.#lowCount) >= mean + bound) {
      this.#lowCount = this.#count;
      this.#lowSum = this.#sum;
    }
    if (this.#highCount === 0 || this.#highSum / this.#highCount - Math.sqrt(half / this.#highCount) <= mean - bound) {
      this.#highCount = this.#count;
      this.#highSum = this.#sum;
    }
  }

  #rose(confidence: number): boolean {
    if (this.#lowCount === this.#count) return false;
    return this.#sum / this.#count - this.#lowSum / this.#lowCount >= this.#bound(this.#lowCount, confidence);
  }

  #fell(confidence: number): boolean {
    if (this.#highCount === this.#count) return false;
    return this.#highSum / this.#highCount - this.#sum / this.#count >= this.#bound(this.#highCount, confidence);
  }

  #bound(prefix: number, confidence: number): number {
    const share = (this.#count - prefix) / prefix / this.#count;
    return Math.sqrt((share / 2) * Math.log(2 / confidence));
  }

  #reset(): void {
    this.#count = 0;
    this.#sum = 0;
    this.#lowCount = 0;
    this.#lowSum = 0;
    this.#highCount = 0;
    this.#highSum = 0;
  }
}

export interface HddmWOptions extends HddmOptions {
  /** Weight of the newest value. In (0, 1]. @default 0.05 */
  readonly lambda?: number;
}

/** An exponentially weighted mean with the sum of its squared weights; empty while the sum is 0. */
interface WeightedMean {
  mean: number;
  squaredWeights: number;
}

/** HDDM with exponentially weighted averages, McDiarmid's bound on values in [0, 1]: for gradual changes, quickest of all here. */
export class HddmW implements StreamDetector {
  readonly #driftConfidence: number;
  readonly #warningConfidence: number;
  readonly #twoSided: boolean;
  readonly #lambda: number;
  #all: WeightedMean = empty();
  #beforeRise: WeightedMean = empty();
  #sinceRise: WeightedMean = empty();
  #beforeFall: WeightedMean = empty();
  #sinceFall: WeightedMean = empty();
  #lowest = Number.POSITIVE_INFINITY;
  #highest = Number.NEGATIVE_INFINITY;

  constructor(options: HddmWOptions = {}) {
    this.#driftConfidence = requireRange('driftConfidence', options.driftConfidence ?? 0.001, 1e-300, 1);
    this.#warningConfidence = requireRange('warningConfidence', options.warningConfidence ?? 0.005, 1e-300, 1);
    this.#lambda = requireRange('lambda', options.lambda ?? 0.05, 1e-9, 1);
    this.#twoSided = options.twoSided ?? false;
  }

  update(value: number): StreamSignal {
    this.#add(this.#all, requireFinite(value));
    this.#moveCuts(value);
    if (this.#changed(this.#driftConfidence)) {
      this.#reset();
      return 'drift';
    }
    return this.#changed(this.#warningConfidence) ? 'warning' : 'stable';
  }

  #add(to: WeightedMean, value: number): void {
    if (to.squaredWeights === 0) {
      to.mean = value;
      to.squaredWeights = 1;
      return;
    }
    const keep = 1 - this.#lambda;
    to.mean = this.#lambda * value + keep * to.mean;
    to.squaredWeights = this.#lambda * this.#lambda + keep * keep * to.squaredWeights;
  }

  #moveCuts(value: number): void {
    const bound = Math.sqrt((this.#all.squaredWeights * Math.log(1 / this.#driftConfidence)) / 2);
    if (this.#all.mean + bound < this.#lowest) {
      this.#lowest = this.#all.mean + bound;
      copy(this.#all, this.#beforeRise);
      this.#sinceRise.squaredWeights = 0;
    } else {
      this.#add(this.#sinceRise, value);
    }
    if (!this.#twoSided) return;
    if (this.#all.mean - bound > this.#highest) {
      this.#highest = this.#all.mean - bound;
      copy(this.#all, this.#beforeFall);
      this.#sinceFall.squaredWeights = 0;
    } else {
      this.#add(this.#sinceFall, value);
    }
  }

  #changed(confidence: number): boolean {
    const factor = Math.log(1 / confidence) / 2;
    return (
      exceeds(this.#sinceRise, this.#beforeRise, factor) ||
      (this.#twoSided && exceeds(this.#beforeFall, this.#sinceFall, factor))
    );
  }

  #reset(): void {
    for (const part of [this.#all, this.#beforeRise, this.#sinceRise, this.#beforeFall, this.#sinceFall]) {
      part.squaredWeights = 0;
    }
    this.#lowest = Number.POSITIVE_INFINITY;
    this.#highest = Number.NEGATIVE_INFINITY;
  }
}

function empty(): WeightedMean {
  return { mean: 0, squaredWeights: 0 };
}

function copy(from: WeightedMean, to: WeightedMean): void {
  to.mean = from.mean;
  to.squaredWeights = from.squaredWeights;
}

function exceeds(high: WeightedMean, low: WeightedMean, factor: number): boolean {
  if (high.squaredWeights === 0 || low.squaredWeights === 0) return false;
  return high.mean - low.mean > Math.sqrt((high.squaredWeights + low.squaredWeights) * factor);
}
