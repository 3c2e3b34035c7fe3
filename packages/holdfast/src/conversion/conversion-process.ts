// Entry of a conversion process: reads the files of each source, converts and checks them, writes the ONNX file, ends.
import { readFile, writeFile } from 'node:fs/promises';
import { inspectModel, OnnxError } from '@holdfast/onnx';
import {
  type Conversion,
  type ConvertOptions,
  compose,
  convert,
  type SourceFile,
  type Verification,
  type VerifyOptions,
  verifyConversion,
  verifyPipeline,
} from '@holdfast/onnx/convert';
import { findEngine } from '@holdfast/onnx/engines';
import { guardAgainstOrphanhood, reasonOf } from '../runtime/index.ts';
import { changeModel } from './change-model.ts';
import type { ConversionResult, FromConverter, ToConverter } from './conversion-messages.ts';
import { ModelRunner } from './model-runner.ts';
import { runEngine } from './run-engine.ts';
import { tryOnnx } from './try-onnx.ts';

function tell(message: FromConverter): void {
  if (process.connected) process.send?.(message);
}

async function convertAll(request: ToConverter): Promise<ConversionResult> {
  const began = performance.now();
  const runner = new ModelRunner(request.workFolder);
  // Changes and pipelines are made in the newest opset, and written in another one at last.
  const isAlone = request.sources.length === 1 && request.change === undefined;
  const { opset } = request.options;
  const change = isAlone || opset === undefined ? request.change : { maxLoss: 0, ...request.change, opset };
  const stages: Conversion[] = [];
  const verifications: Verification[] = [];
  for (const [i, source] of request.sources.entries()) {
    const which = request.sources.length > 1 ? ` (${i + 1} of ${request.sources.length})` : '';
    tell({ kind: 'phase', phase: `reading${which}` });
    const files = await Promise.all(
      source.map(async ({ name, path }) => ({ name, bytes: new Uint8Array(await readFile(path)) })),
    );
    tell({ kind: 'phase', phase: `converting${which}` });
    const options = optionsFor(request, i, isAlone);
    const conversion = await convert(files, options);
    tell({ kind: 'phase', phase: `checking against the source${which}` });
    const { rounds } = options;
    const engineFor: VerifyOptions['engineFor'] = (converted, given) =>
      findEngine(converted, given, options, ({ format, choice, batches }) => {
        tell({ kind: 'phase', phase: `running the source by its own engine${which}` });
        const { workFolder: folder, engineTimeoutMs: timeoutMs } = request;
        return runEngine({ format, choice, batches, files: source, folder, timeoutMs });
      });
    verifications.push(
      conversion.report.source.format === 'onnx'
        ? await tryOnnx(conversion.model, runner)
        : await verifyConversion(files, await wholeOf(conversion, files, options), {
            run: runner.run,
            engineFor,
            ...(rounds !== undefined && { rounds }),
          }),
    );
    stages.push(conversion);
  }
  const { model, report } = compose(stages, request.options.name);
  const verification =
    stages.length === 1 ? verifications[0]! : await verifyPipeline(stages, model, verifications, runner.run);
  if (change !== undefined) tell({ kind: 'phase', phase: 'changing the graph and measuring' });
  const changed =
    change === undefined
      ? { model, changes: [], notes: [] }
      : await changeModel(model, change, { runner, workFolder: request.workFolder });
  await writeFile(request.outputPath, changed.model);
  return {
    report:
      changed.model === model
        ? report
        : { ...report, ...tensorsOf(changed.model), notes: [...report.notes, ...changed.notes] },
    verification,
    changes: changed.changes,
    modelBytes: changed.model.length,
    elapsedMs: performance.now() - began,
  };
}

/** What the caller chose belongs to one file of a pipeline: inputs to the first, everything else to the last. */
function optionsFor({ options, sources }: ToConverter, i: number, isAlone: boolean): ConvertOptions {
  if (isAlone) return options;
  const { name, inputs, ...choice } = options;
  return {
    name,
    ...(i === 0 && { inputs }),
    ...(i === sources.length - 1 && choice),
    opset: undefined,
  };
}

/** Formats whose engines compare the outputs that are there; an evaluator of rows expects all that the source gives. */
const comparedByEngine: ReadonlySet<string> = new Set([
  'graphdef',
  'tfjs_graph',
  'tfjs_layers',
  'savedmodel',
  'tflite',
  'keras',
  'keras_h5',
]);

/** The conversion with every output, of which the given one is a part: what is left out is checked, too. */
async function wholeOf(
  conversion: Conversion,
  files: readonly SourceFile[],
  options: ConvertOptions,
): Promise<Conversion> {
  const isWhole = options.outputs === undefined || comparedByEngine.has(conversion.report.source.format);
  return isWhole ? conversion : convert(files, { ...options, outputs: undefined });
}

function tensorsOf(model: Uint8Array): Pick<ConversionResult['report'], 'inputs' | 'outputs'> {
  const { inputs, outputs } = inspectModel(model).signature;
  const plain = ({ name, dtype, shape }: (typeof inputs)[number]) => ({ name, dtype, shape });
  return { inputs: inputs.map(plain), outputs: outputs.map(plain) };
}

function whyOf(error: unknown): string {
  if (error instanceof OnnxError) return error.message;
  return `the converted graph does not run: ${reasonOf(error)}`;
}

guardAgainstOrphanhood(0);
process.on('disconnect', () => process.exit());
process.on('SIGINT', () => {});
process.once('message', (message: ToConverter) => {
  convertAll(message)
    .then(
      result => tell({ kind: 'done', result }),
      (error: unknown) =>
        tell({ kind: 'refused', why: whyOf(error), recipe: error instanceof OnnxError ? error.recipe : undefined }),
    )
    .finally(() => process.disconnect());
});
