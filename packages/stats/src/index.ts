export type { Arrangement } from './calibration/block-draws.ts';
export {
  type BlockCounts,
  type Calibration,
  type CalibrationOptions,
  calibrateFromCounts,
} from './calibration/calibrate.ts';
export { calibrateTable, type TableCalibrationOptions } from './calibration/calibrate-table.ts';
export {
  adjustPValues,
  benjaminiHochberg,
  benjaminiYekutieli,
  bonferroni,
  type Correction,
  holm,
} from './corrections.ts';
export {
  type ContingencyOptions,
  chiSquareContingency,
  chiSquareGoodnessOfFit,
  cramersV,
  gTest,
} from './counts/contingency.ts';
export {
  bhattacharyya,
  hellinger,
  jensenShannon,
  jensenShannonDivergence,
  kullbackLeibler,
  lInfinity,
  lInfinityRobust,
  psi,
  psiNullMean,
  robustDistance,
  totalVariation,
  totalVariationNullMean,
} from './counts/distances.ts';
export { fisherExact, twoProportionZ } from './counts/two-proportion.ts';
export {
  type AlignedCounts,
  type BinnedColumn,
  type CategoricalColumn,
  type CategoryCounts,
  type Column,
  categoricalColumn,
  countCategories,
  type NumericColumn,
  type Table,
} from './drift/columns.ts';
export { type CategoricalCompareOptions, compareCategorical } from './drift/compare-categorical.ts';
export {
  compareNumeric,
  compareNumericBinned,
  type NumericBaseline,
  type NumericCompareOptions,
  type PrepareOptions,
  prepareNumericBaseline,
} from './drift/compare-numeric.ts';
export type {
  CategoricalStatistics,
  ColumnComparison,
  ComparedColumn,
  CompareOptions,
  EffectThresholds,
  NumericStatistics,
  TestName,
  UndecidedColumn,
  UndecidedReason,
} from './drift/comparison.ts';
export { type CategoricalEffect, defaultEffectThresholds, type NumericEffect } from './drift/effects.ts';
export {
  type ColumnVerdict,
  type DecideOptions,
  type DriftOptions,
  type DriftReport,
  decideDrift,
  driftReport,
  type PreparedBaseline,
  prepareBaseline,
} from './drift/report.ts';
export type { Interval } from './intervals/interval.ts';
export {
  clopperPearsonInterval,
  newcombeInterval,
  type ProportionCounts,
  wilsonInterval,
} from './intervals/proportion.ts';
export { kolmogorovFiniteSf, smirnovSf } from './kolmogorov-finite.ts';
export {
  accuracy,
  type BinaryCounts,
  binaryCounts,
  confusionMatrix,
  f1,
  macroF1,
  precision,
  recall,
  specificity,
} from './metrics/classification.ts';
export {
  averagePrecision,
  brier,
  expectedCalibrationError,
  logLoss,
  multiclassLogLoss,
  rocAuc,
} from './metrics/probability.ts';
export { bias, mae, type RegressionMetrics, r2, regressionMetrics, rmse } from './metrics/regression.ts';
export {
  emptyMoments,
  excessKurtosis,
  type Moments,
  mergeMoments,
  momentsOf,
  populationVariance,
  pushMoment,
  sampleVariance,
  skewness,
  standardDeviation,
} from './moments.ts';
export {
  assignBin,
  type BinEdges,
  countIntoBins,
  countSortedIntoBins,
  quantileBinEdges,
  quantileBinEdgesSorted,
  quantileSorted,
} from './quantile-bins.ts';
export { createRng, type Rng } from './rng.ts';
export {
  BoundedMeanSequence,
  type MeanSequenceOptions,
  meanConfidenceSequence,
  meanDifferenceConfidenceSequence,
  mixtureRadius,
} from './sequential/mean-sequence.ts';
export {
  differenceConfidenceSequence,
  excessEValue,
  proportionConfidenceSequence,
} from './sequential/proportion-sequence.ts';
export {
  type Side,
  safeEvidence,
  safeRateEvidence,
  safeShiftEvidence,
  type TwoArmBlock,
} from './sequential/safe-comparison.ts';
export {
  type KllOptions,
  KllSketch,
  type KllSnapshot,
  ksOfSketches,
  type WeightedValues,
} from './sketch/kll-sketch.ts';
export { type Numbers, type SortedValues, sortValues } from './sorting.ts';
export {
  betaI,
  betaQuantile,
  chiSquareSf,
  erf,
  erfc,
  gammaP,
  gammaQ,
  kolmogorovSf,
  logBeta,
  logChoose,
  logGamma,
  normalCdf,
  normalQuantile,
  normalSf,
  normalTwoSided,
  studentTSf,
} from './special.ts';
export { Adwin, type AdwinOptions } from './stream/adwin.ts';
export { Cusum, type CusumOptions } from './stream/cusum.ts';
export { Ddm, type DdmOptions } from './stream/ddm.ts';
export { Eddm, type EddmOptions } from './stream/eddm.ts';
export { HddmA, type HddmOptions, HddmW, type HddmWOptions } from './stream/hddm.ts';
export { Kswin, type KswinOptions } from './stream/kswin.ts';
export { PageHinkley, type PageHinkleyOptions } from './stream/page-hinkley.ts';
export type { StreamDetector, StreamSignal } from './stream/stream-detector.ts';
export { type AndersonDarlingResult, andersonDarling } from './two-sample/anderson-darling.ts';
export { type CramerVonMisesOptions, cramerVonMises } from './two-sample/cramer-von-mises.ts';
export { eppsSingleton } from './two-sample/epps-singleton.ts';
export {
  type Alternative,
  type KsOptions,
  ksAsymptoticPValue,
  ksFromCounts,
  ksNullMean,
  ksSorted,
  ksTwoSample,
} from './two-sample/kolmogorov-smirnov.ts';
export { type MannWhitneyOptions, mannWhitneyU } from './two-sample/mann-whitney.ts';
export { studentT, welchT, welchTFromMoments } from './two-sample/t-test.ts';
export type { TestResult, TestResultWithDegrees } from './two-sample/test-result.ts';
export {
  energyDistance,
  type ValueRange,
  wassersteinDistance,
  wassersteinFromBins,
  wassersteinSorted,
} from './two-sample/wasserstein.ts';
