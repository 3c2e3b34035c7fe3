import type { DecisionTree } from '../trees/tree-ensemble.ts';

/** A trained XGBoost booster, the same for every file format it may come in. */
export interface XgboostModel {
  readonly version: string | undefined;
  readonly objective: string;
  /** Start score per output, already on the margin scale, or on the scale of the prediction. */
  readonly baseScore: readonly number[];
  readonly isBaseScoreMargin: boolean;
  readonly features: number;
  /** Outputs per boosting round. */
  readonly groups: number;
  readonly featureNames: readonly string[];
  readonly booster:
    | {
        readonly kind: 'trees';
        readonly trees: readonly DecisionTree[];
        readonly treesPerRound: number;
        readonly bestIteration: number | undefined;
      }
    | { readonly kind: 'linear'; readonly weights: Float64Array };
}
