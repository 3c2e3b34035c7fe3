import fc from 'fast-check';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, test } from 'vitest';
import { readModel } from '../../model/read-model.ts';
import { OnnxError } from '../../onnx-error.ts';
import { fixturePaths, hasFixtures, readFixture } from '../../testing/fixtures.ts';
import { WireWriter } from '../../wire/wire-writer.ts';
import { type ConvertOptions, convert, type SourceFile } from '../convert.ts';

/** The files of a fixture folder; the main file first. */
function folder(path: string, main: string): SourceFile[] {
  const names = ['.json', '.pb', '.bin', '.index', '-of-00001'].flatMap(suffix => fixturePaths(path, suffix));
  return names
    .filter(name => !name.includes('/io/'))
    .map(name => ({ name: name.slice(path.length + 1), bytes: readFixture(name) }))
    .sort((a, b) => Number(b.name === main) - Number(a.name === main));
}

interface Values {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data?: readonly number[];
  readonly file?: string;
}

interface Case {
  readonly inputs: Readonly<Record<string, Values>>;
  readonly outputs: Readonly<Record<string, Values>>;
}

function numbers(path: string, { data, file, dtype }: Values): number[] {
  if (data !== undefined) return data.map(Number);
  const bytes = readFixture(`${path}/io/${file}`).slice();
  return Array.from(dtype === 'int32' ? new Int32Array(bytes.buffer) : new Float32Array(bytes.buffer));
}

/** Some references leave out a last axis of one element. */
function tensor(path: string, values: Values, rank: number): Tensor {
  const all = numbers(path, values);
  const shape = values.shape.length + 1 === rank ? [...values.shape, 1] : values.shape;
  if (values.dtype === 'int32') return new Tensor('int32', Int32Array.from(all), shape);
  if (values.dtype === 'uint8') return new Tensor('uint8', Uint8Array.from(all), shape);
  return new Tensor('float32', Float32Array.from(all), shape);
}

/** Largest distance from the reference, beyond 1e-3 of its size, over all outputs in their order. */
async function distance(path: string, main: string, options: ConvertOptions = {}): Promise<number> {
  const { model } = await convert(folder(path, main), options);
  const reference = JSON.parse(new TextDecoder().decode(readFixture(`${path}/io/case0.json`))) as Case;
  const session = await InferenceSession.create(model, { logSeverityLevel: 4, intraOpNumThreads: 1 });
  const given = Object.entries(reference.inputs);
  const feeds = session.inputNames.map((name, i) => {
    const values = reference.inputs[name] ?? given[i]?.[1];
    if (values === undefined) throw new Error(`no input ${name}`);
    const meta = session.inputMetadata[i];
    return [name, tensor(path, values, meta?.isTensor === true ? meta.shape.length : 0)] as const;
  });
  const results = await session.run(Object.fromEntries(feeds));
  await session.release();
  const expected = Object.entries(reference.outputs).filter(
    ([name]) => !options.signature || name === options.signature,
  );
  const names = session.outputNames;
  expect(names.length).toBe(expected.length);
  let worst = 0;
  expected.forEach(([name, values], k) => {
    const ours = results[name] ?? results[names[k] ?? ''];
    const theirs = numbers(path, values);
    expect(ours?.data.length).toBe(theirs.length);
    theirs.forEach((value, i) => {
      worst = Math.max(worst, Math.abs(Number(ours?.data[i]) - value) - 1e-3 * Math.abs(value));
    });
  });
  return worst;
}

describe.skipIf(!hasFixtures)('real models', () => {
  test.each([
    ['tfjs/layers_dense', 'model.json'],
    ['tfjs/human_emotion', 'emotion.json'],
    ['tfjs/human_blazeface_front', 'blazeface-front.json'],
    ['tfjs/magika_v3_3', 'model.json'],
    ['graphdef/tf2onnx_fc_layers', 'frozen.pb'],
    ['graphdef/tf2onnx_regression', 'frozen.pb'],
    ['graphdef/tfrust_addition', 'model.pb'],
    ['savedmodel/tf2onnx_regression', 'saved_model/saved_model.pb'],
    ['savedmodel/tfjsnode_model_single_input_multi_output', 'saved_model/saved_model.pb'],
    ['savedmodel/tfjsnode_times_three_float', 'saved_model/saved_model.pb'],
    ['savedmodel/tfjsnode_uint8_multiply', 'saved_model/saved_model.pb'],
    ['savedmodel/tfs_half_plus_three', 'saved_model/saved_model.pb'],
    ['savedmodel/tfs_half_plus_two_cpu', 'saved_model/saved_model.pb'],
  ])('%s gives what TensorFlow gives', async (path, main) => {
    expect(await distance(path, main)).toBeLessThanOrEqual(1e-4);
  });

  test.each(['serving_default', 'timestwo'])('the signature %s of a module is the one asked for', async signature => {
    const path = 'savedmodel/tfjsnode_module_with_multiple_signatures';
    expect(await distance(path, 'saved_model/saved_model.pb', { signature })).toBeLessThanOrEqual(1e-6);
  });

  test('a missing or unknown signature is answered with the list', async () => {
    const files = folder('savedmodel/tfs_counter', 'saved_model/saved_model.pb');
    await expect(convert(files)).rejects.toThrow(/"get_counter", "incr_counter".*signature/);
    await expect(convert(files, { signature: 'nope' })).rejects.toThrow(/no signature "nope".*"reset_counter"/);
  });

  test('a graph that changes variables is refused by operator and node', async () => {
    const files = folder('savedmodel/tfs_counter', 'saved_model/saved_model.pb');
    await expect(convert(files, { signature: 'incr_counter' })).rejects.toThrow(
      expect.objectContaining({ code: 'unsupported_op', op: 'AssignAdd', node: 'incr_counter_op/AssignAdd' }),
    );
  });

  test('everything that does not convert is listed at once', async () => {
    const files = folder('tfjs/vscode_langdetect', 'model.json');
    const failed = await convert(files).catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(OnnxError);
    if (!(failed instanceof OnnxError)) return;
    expect(failed.code).toBe('unsupported_op');
    for (const op of ['StringToHashBucketFast', 'SparseSegmentMean', 'SparseFillEmptyRows'])
      expect(failed.unsupported.join()).toContain(op);
  });

  test('a SavedModel without its variables says which folder is missing', async () => {
    await expect(convert(readFixture('hostile/savedmodel_no_variables_dir/saved_model.pb'))).rejects.toThrow(
      expect.objectContaining({ code: 'missing_file', message: expect.stringContaining('variables') }),
    );
    await expect(convert(readFixture('hostile/savedmodel_truncated/saved_model.pb'))).rejects.toThrow(/truncated/);
    await expect(convert(folder('hostile/tfjs_unsupported_op', 'model.json'))).rejects.toThrow(/CustomHoldfastOp/);
  });

  test('channels-last layers keep no transposes between them', async () => {
    const { model, report } = await convert(folder('tfjs/human_emotion', 'emotion.json'));
    expect(report.inputs).toEqual([{ name: 'input_1', dtype: 'FP32', shape: ['batch', 64, 64, 1] }]);
    const { nodes } = readModel(model).graph;
    expect(nodes.filter(node => node.opType === 'Conv').length).toBe(13);
    expect(nodes.filter(node => node.opType === 'Transpose').length).toBeLessThanOrEqual(1);
  });

  test('a mutated file gives a model or an OnnxError, never another exception', async () => {
    const sources: [string, string][] = [
      ['tfjs/layers_dense', 'model.json'],
      ['savedmodel/tfs_half_plus_three', 'saved_model/saved_model.pb'],
      ['savedmodel/tfjsnode_module_with_multiple_signatures', 'saved_model/saved_model.pb'],
      ['graphdef/tf2onnx_regression', 'frozen.pb'],
    ];
    for (const [path, main] of sources) {
      const files = folder(path, main);
      const edit = fc.tuple(fc.nat(), fc.nat(), fc.integer({ min: 0, max: 255 }));
      await fc.assert(
        fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 4 }), async edits => {
          const changed = files.map(({ name, bytes }) => ({ name, bytes: bytes.slice() }));
          for (const [which, at, byte] of edits) {
            const file = changed[which % changed.length];
            if (file !== undefined) file.bytes[at % file.bytes.length] = byte;
          }
          try {
            await convert(changed);
          } catch (error) {
            if (!(error instanceof OnnxError)) throw error;
          }
        }),
        { seed: 7, numRuns: 150 },
      );
    }
  });
});

/** A GraphDef of `name op inputs` lines with one type attribute. */
function graphDef(nodes: readonly (readonly [name: string, op: string, inputs: readonly string[]])[]): Uint8Array {
  const out = new WireWriter();
  for (const [name, op, inputs] of nodes)
    out.messageField(1, () => {
      out.stringField(1, name);
      out.stringField(2, op);
      for (const input of inputs) out.stringField(3, input);
      out.messageField(5, () => {
        out.stringField(1, op === 'Placeholder' ? 'dtype' : 'T');
        out.messageField(2, () => out.varintField(6, 1));
      });
    });
  return out.finish();
}

test('a chain of ten thousand nodes converts without deep recursion', async () => {
  const chain = Array.from({ length: 10_000 }, (_, i) => [`n${i}`, 'Neg', [i === 0 ? 'x' : `n${i - 1}`]] as const);
  const { report } = await convert(graphDef([['x', 'Placeholder', []], ...chain]));
  expect(report.outputs.map(({ name }) => name)).toEqual(['n9999']);
});

test('cycles, missing nodes and loops of the first TensorFlow are named', async () => {
  const x = ['x', 'Placeholder', []] as const;
  await expect(
    convert(graphDef([x, ['a', 'Add', ['x', 'b']], ['b', 'Neg', ['a']], ['c', 'Neg', ['b']]])),
  ).rejects.toThrow(expect.objectContaining({ code: 'cycle' }));
  await expect(convert(graphDef([x, ['a', 'Add', ['x', 'gone']]]))).rejects.toThrow(/"gone", which no node makes/);
  await expect(
    convert(graphDef([x, ['enter', 'Enter', ['x']], ['exit', 'Exit', ['enter']], ['y', 'Neg', ['exit']]])),
  ).rejects.toThrow(expect.objectContaining({ code: 'unsupported_op', op: 'Exit', node: 'exit' }));
});
