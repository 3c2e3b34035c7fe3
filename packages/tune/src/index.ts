export {
  type LowFidelityOptions,
  type LowFidelityRanking,
  rankByShortBudget,
} from './architecture/low-fidelity.ts';
export {
  deepen,
  type LayerWeights,
  type Morphism,
  transferWeights,
  type WeightSource,
  widen,
} from './architecture/morphism.ts';
export {
  type Activation,
  type ConvLayer,
  costOf,
  type DenseLayer,
  type Layer,
  type MeasureLatency,
  type Network,
  type NetworkCost,
  type NetworkInput,
  type Norm,
} from './architecture/network.ts';
export {
  type BlockChoices,
  type ConvChoices,
  type NetworkChoices,
  type NetworkSpace,
  networkSpace,
} from './architecture/network-space.ts';
export { TuneFault, type TuneFaultCode, tuneFaults } from './fault.ts';
export { type FanovaImportance, type FanovaOptions, fanova } from './importances/fanova.ts';
export type {
  Importance,
  ImportanceForestOptions,
  ImportanceOptions,
  ImportanceSource,
} from './importances/importance.ts';
export { type PedAnovaOptions, pedAnova } from './importances/ped-anova.ts';
export { permutationImportance } from './importances/permutation.ts';
export { crowdingDistances, dominates, nonDominationRanks, paretoFront } from './maths/domination.ts';
export { haltonPoint } from './maths/halton.ts';
export { hypervolume } from './maths/hypervolume.ts';
export { sobolPoint } from './maths/sobol.ts';
export {
  createPopulation,
  type Population,
  type PopulationAsk,
  type PopulationSettings,
  type PopulationSnapshot,
  restorePopulation,
  type Segment,
} from './population/population.ts';
export {
  type Lineage,
  lineagesOf,
  type PopulationSamplerOptions,
  populationSampler,
} from './population/population-sampler.ts';
export { asha } from './pruners/asha.ts';
export { freezeThaw } from './pruners/freeze-thaw.ts';
export { hyperband } from './pruners/hyperband.ts';
export { type LearningCurveOptions, learningCurvePruner } from './pruners/learning-curve.ts';
export { type PatientOptions, patientPruner } from './pruners/patient.ts';
export { medianPruner, type PercentileOptions, percentilePruner } from './pruners/percentile.ts';
export {
  type LossReport,
  noPruner,
  type PruneContext,
  type PruneDecision,
  type Pruner,
  type ReportedTrial,
} from './pruners/pruner.ts';
export { type RankGuardOptions, rankGuard } from './pruners/rank-guard.ts';
export type { RungOptions } from './pruners/rungs.ts';
export { type SuccessiveHalvingOptions, successiveHalving } from './pruners/successive-halving.ts';
export { type ThresholdOptions, thresholdPruner } from './pruners/threshold.ts';
export { type WilcoxonOptions, wilcoxonPruner } from './pruners/wilcoxon.ts';
export { type AgingOptions, agingEvolution } from './samplers/aging.ts';
export { auto } from './samplers/auto.ts';
export { type BohbOptions, bohb, bohbSampler } from './samplers/bohb.ts';
export { type CmaEsOptions, cmaEs } from './samplers/cmaes.ts';
export { type NsgaOptions, nsga2 } from './samplers/evolution/nsga2.ts';
export { type Nsga3Options, nsga3 } from './samplers/evolution/nsga3.ts';
export type { VariationOptions } from './samplers/evolution/variation.ts';
export { type ForestOptions, forest } from './samplers/forest/forest.ts';
export { type GpOptions, gp } from './samplers/gp/gp.ts';
export { type GridOptions, grid } from './samplers/grid.ts';
export { LocalFinish } from './samplers/local-finish.ts';
export { type QuasiRandomOptions, quasiRandom } from './samplers/quasi-random.ts';
export { random } from './samplers/random.ts';
export type { Ladder, Observation, ProposalContext, Resume, Sampler } from './samplers/sampler.ts';
export { type TpeOptions, tpe } from './samplers/tpe.ts';
export {
  type CategoricalParam,
  type ChoiceParam,
  type ConstantParam,
  categorical,
  choice,
  constant,
  defineSpace,
  type FloatParam,
  float,
  type GroupParam,
  group,
  type IntParam,
  int,
  type OrderedParam,
  ordered,
  type Param,
  type Scalar,
  type SpaceSpec,
  type Suggestion,
  type When,
  when,
} from './space/params.ts';
export { type FlatParams, type NestedParams, type Point, Space } from './space/space.ts';
export { bestOf } from './study/best-of.ts';
export type { Budget } from './study/budget.ts';
export type { Clock } from './study/clock.ts';
export { createStudy, restoreStudy, type StudySettings } from './study/create-study.ts';
export { compareSpaces, type SpaceDifference } from './study/evolve.ts';
export { type RegretTerminatorOptions, regretTerminator } from './study/regret-terminator.ts';
export type { StudyChanges, StudySnapshot } from './study/snapshot.ts';
export type { Study, StudyOptions } from './study/study.ts';
export type { StopContext, Terminator } from './study/terminator.ts';
export type {
  Ask,
  Json,
  Objective,
  Outcome,
  RunningTrial,
  StepReport,
  TrialRecord,
  TrialState,
} from './study/trial.ts';
