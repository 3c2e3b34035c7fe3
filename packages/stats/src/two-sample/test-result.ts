/** What a two-sample test found. */
export interface TestResult {
  readonly statistic: number;
  /** In [0, 1]; 1 when there is nothing to compare. */
  readonly pValue: number;
}

/** A test whose statistic follows a law with degrees of freedom. */
export interface TestResultWithDegrees extends TestResult {
  readonly degreesOfFreedom: number;
}
