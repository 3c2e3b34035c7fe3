import { supportedVersions } from '../check/check-model.ts';
import { mlOperators, standardOperators } from '../check/known-operators.ts';
import { lightgbmObjectives } from './boosting/convert-lightgbm.ts';
import { xgboostObjectives } from './boosting/convert-xgboost.ts';
import { catboostLosses } from './catboost/convert-catboost.ts';
import { activationNames } from './keras/activations.ts';
import { operationNames } from './keras/operations.ts';
import { kerasLayers } from './keras/registry.ts';
import { knownFunctions } from './sklearn/numpy-functions.ts';
import { sklearnClasses } from './sklearn/registry.ts';
import { tensorflowOps } from './tensorflow/op-table.ts';
import { tfliteFamilies } from './tflite/registry.ts';
import { atenFamilies } from './torch/convert-pt2.ts';

/** One row of the table of what converts. */
export interface SupportedSource {
  readonly framework: string;
  /** Files the framework saves, as people know them. */
  readonly files: string;
  readonly family: string;
  readonly names: readonly string[];
}

const kerasFiles = '.keras, .h5, TF.js layers (model.json with its weight files)';

/** Everything that converts, read from the registries the converters work with. */
export function supportedSources(): readonly SupportedSource[] {
  const families = Map.groupBy(sklearnClasses, ([, entry]) => entry.family);
  const sklearn = [...families].map(([family, entries]) => ({
    framework: 'scikit-learn',
    files: '.pkl, .joblib',
    family,
    names: entries.map(([name]) => name).sort(),
  }));
  const layers = [...Map.groupBy(kerasLayers, ([, type]) => type.family)].map(([family, entries]) => ({
    framework: 'Keras 2 and 3',
    files: kerasFiles,
    family: `layers: ${family}`,
    names: entries.map(([name]) => name).sort(),
  }));
  const { ir, standardOpset, mlOpset } = supportedVersions;
  const onnx = { framework: 'ONNX', files: '.onnx with the files of its external data' };
  return [
    {
      ...onnx,
      family: 'versions',
      names: [`IR 1 to ${ir}`, `ai.onnx 1 to ${standardOpset}`, `ai.onnx.ml 1 to ${mlOpset}`],
    },
    { ...onnx, family: 'operators: ai.onnx', names: [...standardOperators].sort() },
    { ...onnx, family: 'operators: ai.onnx.ml', names: [...mlOperators].sort() },
    ...sklearn,
    {
      framework: 'scikit-learn',
      files: '.pkl, .joblib',
      family: 'functions of FunctionTransformer',
      names: [...knownFunctions].sort(),
    },
    {
      framework: 'XGBoost',
      files: '.json, .ubj, .pkl, .joblib, old binary',
      family: 'objectives (gbtree, dart, gblinear)',
      names: [...xgboostObjectives.keys()],
    },
    {
      framework: 'LightGBM',
      files: '.txt, .pkl, .joblib',
      family: 'objectives (gbdt, dart, goss, rf)',
      names: [...lightgbmObjectives.keys()],
    },
    ...tensorflowOps().map(({ family, names }) => ({
      framework: 'TensorFlow, TensorFlow.js',
      files: 'saved_model.pb with variables/, frozen .pb, graph model.json with .bin',
      family: `operators: ${family}`,
      names,
    })),
    {
      framework: 'CatBoost',
      files: '.cbm, .json',
      family: 'losses',
      names: [...catboostLosses.keys()],
    },
    ...[...atenFamilies].map(([family, operators]) => ({
      framework: 'PyTorch',
      files: '.pt2',
      family: `ATen operators: ${family}`,
      names: Object.keys(operators)
        .map(name => name.replace(/^_operator_/, '_operator.'))
        .sort(),
    })),
    ...[...tfliteFamilies].map(([family, operators]) => ({
      framework: 'TensorFlow Lite',
      files: '.tflite',
      family,
      names: Object.keys(operators).sort(),
    })),
    ...layers,
    {
      framework: 'Keras 2 and 3',
      files: kerasFiles,
      family: 'models',
      names: ['Functional', 'Model', 'Sequential', 'models inside models'],
    },
    {
      framework: 'Keras 2 and 3',
      files: kerasFiles,
      family: 'activations by name',
      names: [...activationNames].sort(),
    },
    { framework: 'Keras 2 and 3', files: kerasFiles, family: 'operations between layers', names: operationNames },
  ];
}

/** The table as Markdown, for documentation. @param framework the only one to list */
export function supportedTable(framework?: string): string {
  const rows = supportedSources()
    .filter(row => framework === undefined || row.framework === framework)
    .map(row => `| ${row.framework} | ${row.files} | ${row.family} | ${row.names.join(', ')} |`);
  return ['| framework | files | family | supported |', '|---|---|---|---|', ...rows].join('\n');
}
