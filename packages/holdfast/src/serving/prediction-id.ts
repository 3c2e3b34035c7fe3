import type { ServingClock } from './clock.ts';

/** Crockford's base 32 in lower case: no i, l, o, u, so an id survives being read aloud. */
const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';
/** All pairs of digits, so that six characters cost three look-ups. */
const pairs: readonly string[] = Array.from({ length: 1024 }, (_, i) => alphabet[i >> 5]! + alphabet[i & 31]!);

function encode(value: number, characters: number): string {
  let text = '';
  let rest = value;
  for (let i = 0; i < characters; i++) {
    text = alphabet[rest % 32]! + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}

export interface PredictionIds {
  /** A new id, greater as text than every earlier one of this gateway. */
  next(): string;
}

export interface PredictionIdOptions {
  /** Tells gateways apart that run at the same time: 0 to 1,048,575. */
  readonly instance: number;
  readonly clock: Pick<ServingClock, 'wallMs'>;
}

/**
 * Ids of 20 characters that sort by time: 10 of milliseconds since the epoch, 4 of gateway instance, 6 of a counter
 * within the millisecond. A clock that steps back does not break the order.
 */
export function createPredictionIds({ instance, clock }: PredictionIdOptions): PredictionIds {
  if (!Number.isInteger(instance) || instance < 0 || instance >= 2 ** 20) {
    throw new RangeError(`a gateway instance is a whole number from 0 to ${2 ** 20 - 1}, not ${instance}`);
  }
  const gateway = encode(instance, 4);
  let atMs = -1;
  let count = 0;
  let prefix = '';
  return {
    next(): string {
      const nowMs = clock.wallMs();
      if (nowMs > atMs || count === 2 ** 30) {
        atMs = Math.max(Math.floor(nowMs), atMs + 1);
        count = 0;
        prefix = encode(atMs, 10) + gateway;
      }
      const n = count++;
      return prefix + pairs[n >>> 20]! + pairs[(n >>> 10) & 1023]! + pairs[n & 1023]!;
    },
  };
}
