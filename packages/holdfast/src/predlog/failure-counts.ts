import { type FaultCode, faults } from '@holdfast/api';
import { z } from 'zod';
import type { ChunkWriter } from './chunk-frame.ts';
import type { ErrorCount } from './log-chunk.ts';

/** A request for a known model that was refused or failed. The serving room's record, told apart by structure. */
export interface FailedRequest {
  readonly model: string;
  readonly version: number;
  readonly receivedMs: number;
  readonly eventMs: number | undefined;
  readonly code: FaultCode;
}

const minuteMs = 60_000;
/** Distinct (model, version, minute, code) between two flushes; callers choose event times, so there must be a bound. */
const mostCounts = 10_000;

function isFaultCode(code: string): code is FaultCode {
  return Object.hasOwn(faults, code);
}

export const errorHeaderSchema = z.object({
  kind: z.literal('errors'),
  counts: z.array(
    z.object({
      model: z.string(),
      version: z.number(),
      minuteMs: z.number(),
      code: z.string().refine(isFaultCode),
      count: z.number(),
    }),
  ),
});

/** Failed requests on their way to the disk, counted per model, version, minute of event time and code. */
export class FailureCounts {
  readonly #counts = new Map<string, { readonly first: FailedRequest; readonly minuteMs: number; count: number }>();

  get size(): number {
    return this.#counts.size;
  }

  add(request: FailedRequest): void {
    const eventMinuteMs = Math.floor((request.eventMs ?? request.receivedMs) / minuteMs) * minuteMs;
    const key = `${request.code} ${request.version} ${eventMinuteMs} ${request.model}`;
    const known = this.#counts.get(key);
    if (known !== undefined) known.count += 1;
    else if (this.#counts.size < mostCounts) {
      this.#counts.set(key, { first: request, minuteMs: eventMinuteMs, count: 1 });
    }
  }

  /** Writes all counts as one chunk and forgets them. */
  write(out: ChunkWriter): void {
    if (this.#counts.size === 0) return;
    const counts: ErrorCount[] = [...this.#counts.values()].map(({ first, minuteMs: minute, count }) => ({
      model: first.model,
      version: first.version,
      minuteMs: minute,
      code: first.code,
      count,
    }));
    out.begin(JSON.stringify({ kind: 'errors', counts } satisfies z.input<typeof errorHeaderSchema>));
    out.end();
    this.#counts.clear();
  }
}
