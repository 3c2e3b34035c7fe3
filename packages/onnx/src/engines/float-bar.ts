import type { Bar } from '../convert/verify/verification.ts';

/** Real numbers computed in float32 by two programs, each in an order of its own. */
export const floatBar: Bar = { kind: 'near', absolute: 1e-4, relative: 1e-3 };
