import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { supportedTable } from './supported.ts';

test('the README lists exactly what the converters know', () => {
  const readme = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8');
  expect(readme).toContain(supportedTable());
});

test.each([
  ['onnx', 'ONNX'],
  ['scikit-learn', 'scikit-learn'],
  ['xgboost', 'XGBoost'],
  ['lightgbm', 'LightGBM'],
  ['tflite', 'TensorFlow Lite'],
  ['keras', 'Keras 2 and 3'],
  ['tensorflow', 'TensorFlow, TensorFlow.js'],
  ['catboost', 'CatBoost'],
  ['pytorch', 'PyTorch'],
])('the guide page %s lists exactly what its converter knows', (page, framework) => {
  const text = readFileSync(join(import.meta.dirname, '../../../../docs/guide/convert', `${page}.md`), 'utf8');
  expect(text).toContain(supportedTable(framework));
});
