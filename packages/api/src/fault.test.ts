import { expect, test } from 'vitest';
import { fault, faults, isFault } from './fault.ts';

test('a fault carries the code, statuses and sentence of its row', () => {
  const error = fault('version_not_found', 'churn', 7);
  expect(isFault(error)).toBe(true);
  expect(error.code).toBe('version_not_found');
  expect(error.httpStatus).toBe(404);
  expect(error.grpcStatus).toBe(5);
  expect(error.message).toBe('Model "churn" has no version 7.');
  expect(error.toJSON()).toEqual({ error: { code: 'version_not_found', message: error.message } });
});

test('every row has an error status of HTTP and of gRPC', () => {
  for (const [code, row] of Object.entries(faults)) {
    expect(row.http, code).toBeGreaterThanOrEqual(400);
    expect(row.grpc, code).toBeGreaterThan(0);
    expect(row.grpc, code).toBeLessThanOrEqual(16);
  }
});
