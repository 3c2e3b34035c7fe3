/**
 * How long conversions take, against their bars, and what memory a large weight file costs.
 *
 *   node --conditions=source bench/convert-speed.ts
 *
 * The large models are made here: layers models of TensorFlow.js with one dense layer, which take the way of all Keras
 * files, and pickles of scikit-learn forests. Each is converted once in a process of its own, as the product does it, so
 * nothing is warm; only the converter's modules are loaded before, with a tiny model, because an installed package has no
 * types to strip from them. Where other work takes the machine, the clock also counts waiting: a bar is met when
 * either the clock or the CPU time of all threads is below it.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { convert, type SourceFile } from '@holdfast/onnx/convert';
import { pickledForest } from './pickled-forest.ts';

interface Subject {
  readonly what: string;
  /** Bar in milliseconds. */
  readonly barMs: number;
  /** Bar of the memory that is added, as a multiple of the source's bytes. */
  readonly barTimes?: number;
  /** The files, or undefined when the model collection is not here. */
  read(): readonly SourceFile[] | undefined;
  /** A model of the same kind that is as small as can be. */
  tiny(): readonly SourceFile[];
}

interface Measured {
  readonly ms: number;
  /** CPU time of all threads, milliseconds. */
  readonly cpuMs: number;
  /** Largest resident memory while converting, beyond that of the process with the source in memory. */
  readonly addedBytes: number;
  readonly sourceBytes: number;
  readonly modelBytes: number;
}

const collection = join(import.meta.dirname, '../../shared/models');

function fixture(path: string): readonly SourceFile[] | undefined {
  const full = join(collection, path);
  return existsSync(full) ? [{ name: path, bytes: new Uint8Array(readFileSync(full)) }] : undefined;
}

/** A regression forest of LightGBM's random-forest mode: complete trees of 32 leaves over ten features. */
function forest(trees: number): readonly SourceFile[] {
  const leaves = 32;
  const inner = Array.from({ length: leaves - 1 }, (_, i) => i);
  const child = (at: number): number => (at < leaves - 1 ? at : leaves - 2 - at);
  const blocks = Array.from({ length: trees }, (_, tree) =>
    [
      `Tree=${tree}`,
      `num_leaves=${leaves}`,
      'num_cat=0',
      `split_feature=${inner.map(i => (i * 7 + tree) % 10).join(' ')}`,
      `threshold=${inner.map(i => Math.sin(i + tree * 31)).join(' ')}`,
      `decision_type=${inner.map(() => 2).join(' ')}`,
      `left_child=${inner.map(i => child(2 * i + 1)).join(' ')}`,
      `right_child=${inner.map(i => child(2 * i + 2)).join(' ')}`,
      `leaf_value=${Array.from({ length: leaves }, (_, i) => Math.cos(i + tree)).join(' ')}`,
      '',
    ].join('\n'),
  );
  const names = Array.from({ length: 10 }, (_, i) => `f${i}`).join(' ');
  const head = `tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nmax_feature_idx=9\nobjective=regression\naverage_output\nfeature_names=${names}\ntree_sizes=1\n\n`;
  return [{ name: 'model.txt', bytes: new TextEncoder().encode(`${head}${blocks.join('\n')}\nend of trees\n`) }];
}

function denseLayers(megabytes: number): readonly SourceFile[] {
  const units = Math.round(Math.sqrt((megabytes * 1e6) / 4));
  const weights = Float32Array.from({ length: units * units + units }, (_, i) => Math.sin(i));
  const model = {
    format: 'layers-model',
    generatedBy: 'keras v2.15.0',
    convertedBy: 'TensorFlow.js Converter v4.22.0',
    modelTopology: {
      keras_version: '2.15.0',
      model_config: {
        class_name: 'Sequential',
        config: {
          name: 'sequential',
          layers: [
            {
              class_name: 'Dense',
              config: {
                name: 'dense',
                batch_input_shape: [null, units],
                dtype: 'float32',
                units,
                activation: 'relu',
                use_bias: true,
              },
            },
          ],
        },
      },
    },
    weightsManifest: [
      {
        paths: ['weights.bin'],
        weights: [
          { name: 'dense/kernel', shape: [units, units], dtype: 'float32' },
          { name: 'dense/bias', shape: [units], dtype: 'float32' },
        ],
      },
    ],
  };
  return [
    { name: 'model.json', bytes: new TextEncoder().encode(JSON.stringify(model)) },
    { name: 'weights.bin', bytes: new Uint8Array(weights.buffer) },
  ];
}

const sklearnForest = (trees: number, depth: number): readonly SourceFile[] => [
  { name: 'model.pkl', bytes: pickledForest(trees, depth) },
];
const tinyForest = (): readonly SourceFile[] => sklearnForest(1, 1);
const tinyLayers = (): readonly SourceFile[] => denseLayers(0.0001);

const subjects: readonly Subject[] = [
  { what: 'forest of 100 trees (LightGBM text)', barMs: 300, read: () => forest(100), tiny: () => forest(1) },
  {
    what: 'forest of 100 trees of 511 nodes (scikit-learn)',
    barMs: 300,
    read: () => sklearnForest(100, 8),
    tiny: tinyForest,
  },
  {
    what: 'forest of 40 trees (scikit-learn joblib)',
    barMs: 300,
    read: () => fixture('sklearn/rf_digits/model.joblib'),
    tiny: tinyForest,
  },
  { what: '3 MB of Keras HDF5', barMs: 465, read: () => fixture('keras/magika_v1/model.h5'), tiny: tinyLayers },
  {
    what: '2 MB of .keras, 105 layers',
    barMs: 1500,
    read: () => fixture('keras/mobilenetv2_035_random/model.keras'),
    tiny: tinyLayers,
  },
  { what: '10 MB of Keras layers (TF.js)', barMs: 1500, read: () => denseLayers(10), tiny: tinyLayers },
  {
    what: '100 MB of Keras layers (TF.js)',
    barMs: 15_000,
    barTimes: 2,
    read: () => denseLayers(100),
    tiny: tinyLayers,
  },
];

async function measure(subject: Subject): Promise<Measured | undefined> {
  const files = subject.read();
  if (files === undefined) return undefined;
  await convert(subject.tiny());
  const before = process.memoryUsage.rss();
  const [began, cpu] = [performance.now(), process.cpuUsage()];
  const { model } = await convert(files);
  const ms = performance.now() - began;
  const { user, system } = process.cpuUsage(cpu);
  return {
    ms,
    cpuMs: (user + system) / 1000,
    addedBytes: Math.max(0, process.resourceUsage().maxRSS * 1024 - before),
    sourceBytes: files.reduce((sum, file) => sum + file.bytes.length, 0),
    modelBytes: model.length,
  };
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

function report(): void {
  console.log('source                                         size      ONNX     ms  CPU ms     bar   memory added');
  for (const [i, subject] of subjects.entries()) {
    const args = [...process.execArgv, import.meta.filename, String(i)];
    const text = execFileSync(process.execPath, args, { encoding: 'utf8' });
    const found = JSON.parse(text) as Measured | null;
    if (found === null) {
      console.log(`${subject.what.padEnd(44)} not measured: the model collection is not beside this repository`);
      continue;
    }
    const times = found.addedBytes / found.sourceBytes;
    const isMissed =
      Math.min(found.ms, found.cpuMs) > subject.barMs || times > (subject.barTimes ?? Number.POSITIVE_INFINITY);
    if (isMissed) process.exitCode = 1;
    const memory =
      subject.barTimes === undefined ? '' : ` (${times.toFixed(2)} times the source, bar ${subject.barTimes})`;
    console.log(
      `${subject.what.padEnd(44)} ${megabytes(found.sourceBytes).padStart(9)} ${megabytes(found.modelBytes).padStart(9)} ${found.ms.toFixed(0).padStart(6)} ${found.cpuMs.toFixed(0).padStart(7)} ${String(subject.barMs).padStart(7)}   ${megabytes(found.addedBytes)}${memory}${isMissed ? '  MISSED' : ''}`,
    );
  }
}

const chosen = process.argv[2];
if (chosen === undefined) report();
else {
  const subject = subjects[Number(chosen)];
  if (subject !== undefined) console.log(JSON.stringify((await measure(subject)) ?? null));
}
