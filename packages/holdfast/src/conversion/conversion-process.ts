// Entry of a conversion process: reads the files of one source, converts and checks them, writes the ONNX file, ends.
import { readFile, writeFile } from 'node:fs/promises';
import { OnnxError } from '@holdfast/onnx';
import { convert, verifyConversion } from '@holdfast/onnx/convert';
import { guardAgainstOrphanhood, reasonOf } from '../runtime/index.ts';
import type { ConversionResult, FromConverter, ToConverter } from './conversion-messages.ts';
import { ModelRunner } from './model-runner.ts';

function tell(message: FromConverter): void {
  if (process.connected) process.send?.(message);
}

async function convertOne(request: ToConverter): Promise<ConversionResult> {
  const began = performance.now();
  const { options } = request;
  tell({ kind: 'phase', phase: 'reading' });
  const files = await Promise.all(
    request.files.map(async ({ name, path }) => ({ name, bytes: new Uint8Array(await readFile(path)) })),
  );
  tell({ kind: 'phase', phase: 'converting' });
  const conversion = await convert(files, options);
  tell({ kind: 'phase', phase: 'checking against the source' });
  const runner = new ModelRunner(request.workFolder);
  const verification = await verifyConversion(files, conversion, {
    run: runner.run,
    ...(options.rounds !== undefined && { rounds: options.rounds }),
  });
  await writeFile(request.outputPath, conversion.model);
  return {
    report: conversion.report,
    verification,
    modelBytes: conversion.model.length,
    elapsedMs: performance.now() - began,
  };
}

function whyOf(error: unknown): string {
  if (error instanceof OnnxError) return error.message;
  return `the converted graph does not run: ${reasonOf(error)}`;
}

guardAgainstOrphanhood(0);
process.on('disconnect', () => process.exit());
process.on('SIGINT', () => {});
process.once('message', (message: ToConverter) => {
  convertOne(message)
    .then(
      result => tell({ kind: 'done', result }),
      (error: unknown) => tell({ kind: 'refused', why: whyOf(error) }),
    )
    .finally(() => process.disconnect());
});
