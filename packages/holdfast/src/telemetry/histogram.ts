/** Sub-buckets per power of two: relative error of a quantile is at most 1/16. */
const subBuckets = 16;
const powers = 40;

/**
 * Log-linear histogram of non-negative numbers below 2^40 (microseconds, say: up to 12 days), mergeable by addition.
 * Buckets double in width every 16 buckets, as in HdrHistogram (G. Tene), so a quantile is off by at most 6.25 %.
 */
export class Histogram {
  static readonly bucketCount = powers * subBuckets;
  readonly counts: Float64Array;
  count = 0;
  sum = 0;

  constructor(counts: Float64Array = new Float64Array(Histogram.bucketCount)) {
    this.counts = counts;
  }

  static bucketOf(value: number): number {
    if (!(value >= subBuckets)) return Math.max(0, Math.floor(value) || 0);
    const power = Math.min(31 - Math.clz32(Math.min(value, 0x7fffffff)), 30);
    const exponent = value > 0x7fffffff ? Math.floor(Math.log2(value)) : power;
    const scaled = Math.floor(value / 2 ** (exponent - 4)) - subBuckets;
    return Math.min((exponent - 3) * subBuckets + scaled, Histogram.bucketCount - 1);
  }

  /** The smallest value that falls into the next bucket. */
  static upperBound(bucket: number): number {
    if (bucket < subBuckets) return bucket + 1;
    const exponent = Math.floor(bucket / subBuckets) + 3;
    return (subBuckets + (bucket % subBuckets) + 1) * 2 ** (exponent - 4);
  }

  record(value: number, times = 1): void {
    const bucket = Histogram.bucketOf(value);
    this.counts[bucket] = this.counts[bucket]! + times;
    this.count += times;
    this.sum += value * times;
  }

  merge(other: Histogram): this {
    for (let i = 0; i < this.counts.length; i++) this.counts[i] = this.counts[i]! + other.counts[i]!;
    this.count += other.count;
    this.sum += other.sum;
    return this;
  }

  /** The value below which a share `q` of the records lies, 0 <= q <= 1; undefined when nothing was recorded. */
  quantile(q: number): number | undefined {
    if (this.count === 0) return undefined;
    const rank = q * this.count;
    let seen = 0;
    for (let i = 0; i < this.counts.length; i++) {
      const here = this.counts[i]!;
      if (here === 0) continue;
      if (seen + here >= rank) {
        const lower = i === 0 ? 0 : Histogram.upperBound(i - 1);
        return lower + (Histogram.upperBound(i) - lower) * Math.max(0, Math.min(1, (rank - seen) / here));
      }
      seen += here;
    }
    return undefined;
  }

  /** Records at or below `bound`, to bucket precision: what a Prometheus `le` bucket shows. */
  atMost(bound: number): number {
    let seen = 0;
    for (let i = 0; i < this.counts.length && Histogram.upperBound(i) <= bound * (1 + 1 / subBuckets); i++)
      seen += this.counts[i]!;
    return seen;
  }

  /** Index and count of the buckets in use, for messages and storage. */
  toSparse(): readonly (readonly [bucket: number, count: number])[] {
    const used: [number, number][] = [];
    for (let i = 0; i < this.counts.length; i++) if (this.counts[i] !== 0) used.push([i, this.counts[i]!]);
    return used;
  }

  static fromSparse(buckets: Iterable<readonly [bucket: number, count: number]>, sum: number): Histogram {
    const histogram = new Histogram();
    for (const [bucket, count] of buckets) {
      if (bucket < 0 || bucket >= Histogram.bucketCount) continue;
      histogram.counts[bucket] = count;
      histogram.count += count;
    }
    histogram.sum = sum;
    return histogram;
  }
}
