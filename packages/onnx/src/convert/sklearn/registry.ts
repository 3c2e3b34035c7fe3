import { bayesClasses } from './bayes.ts';
import { composeClasses } from './compose.ts';
import { encoderClasses } from './encoders.ts';
import { ensembleClasses } from './ensembles.ts';
import { histBoostingClasses } from './hist-boosting.ts';
import { linearClasses } from './linear-models.ts';
import type { SklearnClass } from './lowering.ts';
import { neighborClasses } from './neighbors.ts';
import { neuralClasses } from './neural.ts';
import { reductionClasses } from './reduction.ts';
import { scalerClasses } from './scalers.ts';
import { modelSelectionClasses } from './select-from-model.ts';
import { vectorClasses } from './support-vectors.ts';
import { textClasses } from './text-vectorizers.ts';
import { treeClasses } from './tree-models.ts';
import { wrappedBoosterClasses } from './wrapped-boosters.ts';

/** Every scikit-learn class that converts, by its name. */
export const sklearnClasses: ReadonlyMap<string, SklearnClass> = new Map(
  [
    linearClasses,
    vectorClasses,
    neighborClasses,
    bayesClasses,
    neuralClasses,
    treeClasses,
    histBoostingClasses,
    ensembleClasses,
    wrappedBoosterClasses,
    scalerClasses,
    encoderClasses,
    reductionClasses,
    modelSelectionClasses,
    textClasses,
    composeClasses,
  ].flatMap(group => Object.entries(group)),
);
