import type { Job, JobBackend, JobEnd, JobSpec } from '../jobs/index.ts';

/** What a fake command does: takes its spec, prints lines through `print`, and says how it ended. */
export type FakeCommand = (
  spec: JobSpec,
  print: (line: string) => Promise<void>,
  stopped: Promise<void>,
) => Promise<{ readonly end: JobEnd; readonly errors?: string }>;

/** Jobs without processes, for tests. */
export function fakeJobs(command: FakeCommand): JobBackend {
  return {
    async start(spec, onLine): Promise<Job> {
      const stop = Promise.withResolvers<void>();
      let wasStopped = false;
      // After the caller has the job, as with a real process.
      const ended = new Promise<void>(resolve => setImmediate(resolve))
        .then(() => command(spec, onLine, stop.promise))
        .then(({ end, errors = '' }) => ({ end: wasStopped ? ({ kind: 'stopped' } as const) : end, errors }));
      return {
        id: 'fake',
        ended,
        sawProgress: () => {},
        stop: () => {
          wasStopped = true;
          stop.resolve();
        },
        forget: async () => {},
      };
    },
  };
}
