import { expect, test } from 'vitest';
import { fixturePaths, hasFixtures, readFixture } from '../testing/fixtures.ts';
import { type FileKind, sniffFile } from './sniff-file.ts';

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);

test.each<[FileKind, Uint8Array]>([
  ['empty', new Uint8Array()],
  ['html', ascii('<!DOCTYPE html><html><body>404')],
  ['git_lfs_pointer', ascii('version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n')],
  ['json', ascii('{"a": 1}')],
  ['xml', ascii('<?xml version="1.0"?><a/>')],
  ['pmml', ascii('<?xml version="1.0"?><PMML version="4.4"/>')],
  ['text', ascii('hello, world\n')],
  ['npy', new Uint8Array([0x93, ...ascii('NUMPY'), 1, 0])],
  ['ort', new Uint8Array([16, 0, 0, 0, ...ascii('ORTM')])],
  ['lightgbm_text', ascii('tree\nversion=v3\n')],
  ['unknown', new Uint8Array([0xff, 0xfe, 0xfd, 1, 2, 3])],
])('%s is recognised', (kind, bytes) => {
  expect(sniffFile(bytes)).toBe(kind);
});

/** Folder and file suffix of the shared fixtures, and what such a file may be called. */
const expected: readonly (readonly [string, string, readonly FileKind[]])[] = [
  ['onnx', '.onnx', ['onnx']],
  ['sklearn', '.pkl', ['sklearn_pickle']],
  ['sklearn', '.joblib', ['joblib', 'sklearn_pickle', 'compressed_pickle']],
  ['xgboost', '.json', ['xgboost_json', 'json']],
  ['xgboost', '.ubj', ['xgboost_ubj']],
  ['xgboost', '.bst', ['xgboost_binary']],
  ['xgboost', '.model', ['xgboost_binary']],
  ['xgboost', '.pkl', ['xgboost_pickle']],
  ['lightgbm', '.txt', ['lightgbm_text', 'text']],
  ['catboost', '.cbm', ['catboost']],
  ['keras', '.keras', ['keras']],
  ['keras', '.h5', ['keras_h5']],
  ['tflite', '.tflite', ['tflite']],
  ['tflite-ops', '.tflite', ['tflite']],
  ['savedmodel', 'saved_model.pb', ['savedmodel']],
  ['savedmodel', 'variables.index', ['tensorbundle_index']],
  ['graphdef', '.pb', ['graphdef']],
  ['pmml', '.pmml', ['pmml']],
];

test.skipIf(!hasFixtures)('real files are named for what they are', () => {
  const wrong: string[] = [];
  for (const [folder, suffix, kinds] of expected) {
    for (const path of fixturePaths(folder, suffix).filter(name => !name.includes('/io/'))) {
      const kind = sniffFile(readFixture(path));
      if (!kinds.includes(kind)) wrong.push(`${path}: ${kind}`);
    }
  }
  expect(wrong).toEqual([]);
});
