import type { ConversionResult } from '@holdfast/api';
import { describeVerification } from '../conversion/index.ts';
import { formatBytes, renderTable } from './table.ts';

type Report = ConversionResult['report'];

function shapeOf({ shape }: Report['inputs'][number]): string {
  return shape === undefined ? 'any shape' : `[${shape.map(size => size ?? '?').join(', ')}]`;
}

/** Framework, version and class of a source in a few words: `scikit-learn 1.2.1, RandomForestClassifier`. */
function describeSource({ source }: Report): string {
  return `${source.framework} ${source.frameworkVersion ?? 'of unknown version'}, ${source.modelClass}`;
}

const shownNames = 12;

function namesOf(values: readonly (string | number | boolean)[]): string {
  const shown = values.slice(0, shownNames).map(String).join(', ');
  return values.length > shownNames ? `${shown}, ... (${values.length})` : shown;
}

/** The report of a conversion for people. */
export function renderConversion(result: ConversionResult, target?: string): string {
  const { report, verification } = result;
  const tensors = [
    ...report.inputs.map(tensor => ['input', tensor.name, tensor.dtype, shapeOf(tensor)]),
    ...report.outputs.map(tensor => ['output', tensor.name, tensor.dtype, shapeOf(tensor)]),
  ];
  const changes = result.changes.map(change => [
    change.what,
    `${formatBytes(change.bytesBefore)} -> ${formatBytes(change.bytesAfter)}`,
    `${change.msBefore.toFixed(3)} -> ${change.msAfter.toFixed(3)}`,
    `${(100 * change.loss).toPrecision(3)} %`,
    change.measuredOn,
  ]);
  const facts = [
    [
      target === undefined ? 'size' : 'written',
      `${target === undefined ? '' : `${target}, `}${formatBytes(result.modelBytes)}, in ${(result.elapsedMs / 1000).toFixed(2)} s`,
    ],
    ['from', `${report.source.format}: ${describeSource(report)}`],
    ['checked', describeVerification(verification)],
    ...(report.featureNames === undefined ? [] : [['columns', namesOf(report.featureNames)]]),
    ...(report.classes === undefined ? [] : [['classes', namesOf(report.classes)]]),
    ...report.notes.map(note => ['note', note]),
  ];
  const lines = facts.map(([key = '', value = '']) => `${key.padEnd(8)} ${value.replace(/[\p{Cc}\p{Cf}]/gu, '�')}`);
  const changed =
    changes.length === 0 ? '' : `\n${renderTable(['CHANGED', 'SIZE', 'MS PER RUN', 'LOSS', 'MEASURED ON'], changes)}`;
  return `${lines.join('\n')}\n\n${renderTable(['', 'NAME', 'DTYPE', 'SHAPE'], tensors)}${changed}`;
}
