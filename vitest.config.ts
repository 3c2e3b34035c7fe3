import { defineConfig } from 'vitest/config';

const shared = {
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source'] } },
};

/** Two projects: quick tests beside the code, and tests that start real processes, browsers or servers. */
export default defineConfig({
  ...shared,
  test: {
    reporters: ['default', './scripts/closing-line-reporter.ts'],
    projects: [
      {
        ...shared,
        test: {
          name: 'unit',
          setupFiles: ['./scripts/fixed-seed.ts'],
          include: [
            'packages/*/src/**/*.test.ts',
            'dashboard/src/**/*.test.{ts,tsx}',
            'scripts/**/*.test.ts',
            'examples/**/*.test.ts',
          ],
          isolate: false,
          sequence: { groupOrder: 0 },
          environment: 'node',
          execArgv: ['--conditions=source'],
          testTimeout: 30_000,
          env: { ORT_DISABLE_TELEMETRY: '1' },
        },
      },
      {
        ...shared,
        test: {
          name: 'e2e',
          include: ['test/**/*.e2e.ts', 'packages/*/src/**/*.e2e.ts'],
          environment: 'node',
          execArgv: ['--conditions=source'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          // Most of their time is spent waiting; more at once would starve each other's processes on small machines.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
          env: { ORT_DISABLE_TELEMETRY: '1' },
        },
      },
    ],
  },
});
