import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Signature } from '@holdfast/api';
import { pino } from 'pino';
import type { Log } from '../telemetry/index.ts';
import type { AnsweredRequest } from './prediction-buffer.ts';

/** For tests of this room: a log that says nothing. */
export const silentLog: Log = pino({ level: 'silent' });

export function freshDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'holdfast-predlog-'));
}

function column(
  role: 'input' | 'output',
  tensor: string,
  kind: 'numeric' | 'categorical' | 'id',
  more: { readonly name?: string; readonly index?: number; readonly pii?: boolean } = {},
): Signature['columns'][number] {
  return { name: more.name ?? tensor, role, tensor, index: more.index ?? 0, kind, pii: more.pii ?? false };
}

/** A model with every way in which a value can lie in the log. */
export const sampleSignature: Signature = {
  inputs: [
    { name: 'features', datatype: 'FP32', shape: [-1, 2], optional: false },
    { name: 'origin', datatype: 'BYTES', shape: [-1], optional: false },
    { name: 'account', datatype: 'INT64', shape: [-1, 1], optional: false },
    { name: 'income', datatype: 'FP64', shape: [-1], optional: true },
    { name: 'email', datatype: 'BYTES', shape: [-1], optional: true },
    { name: 'pixels', datatype: 'UINT8', shape: [-1, 2, 2, 3], optional: true },
  ],
  outputs: [
    { name: 'label', datatype: 'INT64', shape: [-1], optional: false },
    { name: 'probabilities', datatype: 'FP32', shape: [-1, 2], optional: false },
  ],
  columns: [
    column('input', 'features', 'numeric', { name: 'hour' }),
    column('input', 'features', 'numeric', { name: 'distance', index: 1 }),
    column('input', 'origin', 'categorical'),
    column('input', 'account', 'id'),
    column('input', 'income', 'numeric'),
    column('input', 'email', 'id', { pii: true }),
    column('output', 'label', 'categorical'),
    column('output', 'probabilities', 'numeric', { name: 'probabilities[0]' }),
    column('output', 'probabilities', 'numeric', { name: 'probabilities[1]', index: 1 }),
  ],
  task: { kind: 'binary', score: 'probabilities[1]', label: 'label', positiveClass: '1', threshold: 0.5 },
};

const origins = ['ORD', 'ATL', 'SFO', '北京'];

/** Request `n`: row i has hour n % 24 and distance 100 n + i. Everything follows from `n`, so that tests can recompute it. */
export function sampleRequest(
  n: number,
  more: Partial<AnsweredRequest> & { readonly email?: string } = {},
): AnsweredRequest {
  const rows = more.rows ?? 1;
  const each = <T>(of: (row: number) => T): T[] => Array.from({ length: rows }, (_, row) => of(row));
  const score = (n % 100) / 100;
  const { email, ...overrides } = more;
  return {
    model: 'flights',
    version: 1,
    signature: sampleSignature,
    id: `p-${n}`,
    rows,
    receivedMs: 1_700_000_000_000 + n,
    eventMs: undefined,
    key: undefined,
    tags: undefined,
    inputs: [
      {
        name: 'features',
        datatype: 'FP32',
        shape: [rows, 2],
        data: Float32Array.from(each(i => [n % 24, 100 * n + i]).flat()),
      },
      { name: 'origin', datatype: 'BYTES', shape: [rows], data: each(() => origins[n % origins.length]!) },
      {
        name: 'account',
        datatype: 'INT64',
        shape: [rows, 1],
        data: BigInt64Array.from(each(i => 9_007_199_254_740_993n + BigInt(n + i))),
      },
      ...(n % 2 === 0
        ? [{ name: 'income', datatype: 'FP64' as const, shape: [rows], data: Float64Array.from(each(() => n / 7)) }]
        : []),
      ...(email === undefined
        ? []
        : [{ name: 'email', datatype: 'BYTES' as const, shape: [rows], data: each(() => email) }]),
    ],
    outputs: [
      {
        name: 'label',
        datatype: 'INT64',
        shape: [rows],
        data: BigInt64Array.from(each(() => BigInt(score >= 0.5 ? 1 : 0))),
      },
      {
        name: 'probabilities',
        datatype: 'FP32',
        shape: [rows, 2],
        data: Float32Array.from(each(() => [1 - score, score]).flat()),
      },
    ],
    latencyUs: 1500,
    ...overrides,
  };
}
