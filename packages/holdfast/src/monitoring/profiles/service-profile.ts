import { Histogram } from '../../telemetry/index.ts';
import { ByteReader, ByteWriter } from './varint.ts';

/** Mergeable summary of how requests were served. Latencies are whole microseconds in the buckets of `Histogram`. */
export class ServiceProfile {
  requests = 0;
  rows = 0;
  errors = 0;
  readonly errorCodes = new Map<string, number>();
  readonly latencyBuckets = new Map<number, number>();
  latencySumUs = 0;

  addRequest(latencyUs: number): void {
    const whole = Math.round(latencyUs);
    const bucket = Histogram.bucketOf(whole);
    this.requests++;
    this.latencyBuckets.set(bucket, (this.latencyBuckets.get(bucket) ?? 0) + 1);
    this.latencySumUs += whole;
  }

  /** Failed requests; they are not among `requests`, which were answered. */
  addErrors(code: string, count: number): void {
    this.errors += count;
    this.errorCodes.set(code, (this.errorCodes.get(code) ?? 0) + count);
  }

  merge(other: ServiceProfile): this {
    this.requests += other.requests;
    this.rows += other.rows;
    for (const [code, count] of other.errorCodes) this.addErrors(code, count);
    for (const [bucket, count] of other.latencyBuckets) {
      this.latencyBuckets.set(bucket, (this.latencyBuckets.get(bucket) ?? 0) + count);
    }
    this.latencySumUs += other.latencySumUs;
    return this;
  }

  latency(): Histogram {
    return Histogram.fromSparse(this.latencyBuckets, this.latencySumUs);
  }

  encode(): Uint8Array {
    const writer = new ByteWriter(64);
    writer.uint(1);
    writer.uint(this.requests);
    writer.uint(this.rows);
    writer.uint(this.latencySumUs);
    writer.uint(this.latencyBuckets.size);
    for (const [bucket, count] of [...this.latencyBuckets].sort((a, b) => a[0] - b[0])) {
      writer.uint(bucket);
      writer.uint(count);
    }
    writer.uint(this.errorCodes.size);
    for (const [code, count] of [...this.errorCodes].sort((a, b) => (a[0] < b[0] ? -1 : 1))) {
      writer.text(code);
      writer.uint(count);
    }
    return writer.finish();
  }

  static decode(bytes: Uint8Array): ServiceProfile {
    const reader = new ByteReader(bytes);
    const format = reader.uint();
    if (format !== 1) throw new RangeError(`A service profile of format ${format} cannot be read.`);
    const profile = new ServiceProfile();
    profile.requests = reader.uint();
    profile.rows = reader.uint();
    profile.latencySumUs = reader.uint();
    for (let left = reader.uint(); left > 0; left--) {
      const bucket = reader.uint();
      profile.latencyBuckets.set(bucket, reader.uint());
    }
    for (let left = reader.uint(); left > 0; left--) {
      const code = reader.text();
      profile.addErrors(code, reader.uint());
    }
    return profile;
  }
}
