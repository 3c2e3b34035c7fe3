import { expect, test } from 'vitest';
import type { JobEnd } from '../job.ts';
import { endOfJob, endOfPod } from './job-outcome.ts';
import { jobSchema, podSchema } from './objects.ts';

const ended = (terminated: object, more: object = {}) => ({
  phase: 'Failed',
  containerStatuses: [{ name: 'job', state: { terminated } }],
  ...more,
});

// Statuses as the kubelet and the controllers write them, by the API reference.
test.each<[string, object, JobEnd]>([
  ['its exit code', ended({ exitCode: 2, reason: 'Error' }), { kind: 'exited', code: 2 }],
  ['a signal', ended({ exitCode: 139, reason: 'Error' }), { kind: 'killed', signal: 'SIGSEGV' }],
  [
    'too much memory',
    ended({ exitCode: 137, reason: 'OOMKilled' }),
    { kind: 'killed', signal: 'SIGKILL for exceeding its memory limit' },
  ],
  [
    'an eviction',
    { phase: 'Failed', reason: 'Evicted', message: 'The node was low on resource: memory.' },
    { kind: 'lost', why: 'Evicted: The node was low on resource: memory.' },
  ],
  [
    'a drained node',
    ended(
      { exitCode: 143, reason: 'Error' },
      {
        conditions: [{ type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI', message: 'drain' }],
      },
    ),
    { kind: 'lost', why: 'EvictionByEvictionAPI: drain' },
  ],
])('a failed pod tells of %s', (_, status, end) => {
  expect(endOfPod(podSchema.parse({ metadata: { name: 'p' }, status }))).toEqual(end);
});

test('a failed Job without a pod has lost it', () => {
  expect(endOfPod(undefined)).toEqual({ kind: 'lost', why: 'its pod is gone' });
});

test.each([
  [[], undefined],
  [[{ type: 'Suspended', status: 'True' }], undefined],
  [[{ type: 'Failed', status: 'False' }], undefined],
  [[{ type: 'FailureTarget', status: 'True' }], undefined],
  [[{ type: 'Complete', status: 'True' }], 'complete'],
  [[{ type: 'Failed', status: 'True', reason: 'BackoffLimitExceeded' }], 'failed'],
  [[{ type: 'Failed', status: 'True', reason: 'DeadlineExceeded' }], 'deadline'],
])('conditions %j of a Job mean %s', (conditions, end) => {
  expect(endOfJob(jobSchema.parse({ metadata: { name: 'j' }, status: { conditions } }))).toBe(end);
});
