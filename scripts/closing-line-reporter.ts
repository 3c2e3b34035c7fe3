import type { Reporter, TestModule } from 'vitest/node';

/** Ends a run with one plain line that any CI can read: `N passed, N failed, N skipped`. */
export default class ClosingLineReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const count = { passed: 0, failed: 0, skipped: 0, pending: 0 };
    let brokenFiles = 0;
    for (const module of modules) {
      if (module.errors().length > 0) brokenFiles++;
      for (const test of module.children.allTests()) count[test.result().state]++;
    }
    console.log(
      `\n${count.passed} passed, ${count.failed + brokenFiles} failed, ${count.skipped + count.pending} skipped`,
    );
  }
}
