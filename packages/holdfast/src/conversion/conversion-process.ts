// Entry of a conversion process: reads the files of each source, converts and checks them, writes the ONNX file, ends.
import { readFile, writeFile } from 'node:fs/promises';
import { inspectModel, OnnxError } from '@holdfast/onnx';
import {
  type Conversion,
  compose,
  convert,
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
    const conversion = await convert(files, isAlone ? request.options : { ...request.options, opset: undefined });
    tell({ kind: 'phase', phase: `checking against the source${which}` });
    const { rounds } = request.options;
    const engineFor: VerifyOptions['engineFor'] = (converted, given) =>
      findEngine(converted, given, request.options, ({ format, choice, batches }) => {
        tell({ kind: 'phase', phase: `running the source by its own engine${which}` });
        const { workFolder: folder, engineTimeoutMs: timeoutMs } = request;
        return runEngine({ format, choice, batches, files: source, folder, timeoutMs });
      });
    verifications.push(
      conversion.report.source.format === 'onnx'
        ? await tryOnnx(conversion.model, runner)
        : await verifyConversion(files, conversion, {
            run: runner.run,
            engineFor,
            ...(rounds !== undefined && { rounds }),
          }),
    );
    stages.push(conversion);
  }
  const { model, report } = compose(stages);
  const verification =
    stages.length === 1 ? verifications[0]! : await verifyPipeline(stages, model, verifications, runner.run);
  if (change !== undefined) tell({ kind: 'phase', phase: 'changing the graph and measuring' });
  const changed =
    change === undefined
      ? { model, changes: [] }
      : await changeModel(model, change, { runner, workFolder: request.workFolder });
  await writeFile(request.outputPath, changed.model);
  return {
    report: changed.model === model ? report : { ...report, ...tensorsOf(changed.model) },
    verification,
    changes: changed.changes,
    modelBytes: changed.model.length,
    elapsedMs: performance.now() - began,
  };
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
