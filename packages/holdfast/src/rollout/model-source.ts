import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import {
  type ConversionResult,
  conversionResultSchema,
  type createVersionSchema,
  type Digest,
  digestSchema,
  fault,
  type SourceChoice,
} from '@holdfast/api';
import { sniffFile } from '@holdfast/onnx';
import type { z } from 'zod';
import { type ConvertedModel, describeVerification, type SourcePath, sourceFilesOf } from '../conversion/index.ts';
import type { BlobStore } from '../registry/index.ts';

export type CreateRequest = z.output<typeof createVersionSchema>;

export type ConvertSource = (
  sources: readonly (readonly SourcePath[])[],
  choice: SourceChoice,
) => Promise<ConvertedModel>;

/** What a version is made from. */
export interface ModelSource {
  /** Of the file itself, or of the list of files and choices: equal sources have equal digests. */
  readonly digest: Digest;
  /** The files of each stage of a pipeline; nearly always of the one model. */
  readonly sources: readonly (readonly SourcePath[])[];
  readonly choice: SourceChoice;
}

/**
 * Stores a model file, or all files of a folder, as blobs; those of several paths as the stages of a pipeline.
 * @throws Fault `bad_request` when there are none
 */
export async function storeSource(
  blobs: BlobStore,
  ...paths: readonly string[]
): Promise<Pick<CreateRequest, 'artifact'> & Partial<Pick<CreateRequest, 'files'>>> {
  const files: NonNullable<CreateRequest['files']> = [];
  for (const [i, path] of paths.entries()) {
    for (const file of await sourceFilesOf(path)) {
      const { digest } = await blobs.put(createReadStream(file.path));
      files.push({ name: file.name, artifact: digest, ...(paths.length > 1 && { stage: i + 1 }) });
    }
  }
  return { artifact: files[0]!.artifact, ...(files.length > 1 && { files }) };
}

/** @throws Fault `artifact_not_found` for a file that was not uploaded, `model_rejected` for an empty one */
export async function sourceOf(blobs: BlobStore, request: CreateRequest): Promise<ModelSource> {
  const listed: NonNullable<CreateRequest['files']> = request.files ?? [
    { name: request.fileName ?? 'model', artifact: request.artifact },
  ];
  const sizes = await Promise.all(listed.map(file => blobs.sizeOf(file.artifact)));
  const files = await Promise.all(
    listed.map(async ({ name, artifact, stage = 1 }) => ({ name, stage, path: await blobs.locate(artifact) })),
  );
  const stages = [...Map.groupBy(files, file => file.stage)].sort(([a], [b]) => a - b);
  const sources = stages.map(([, own]) => own.map(({ name, path }) => ({ name, path })));
  const choice = request.convert ?? {};
  if (request.files === undefined && Object.keys(choice).length === 0) {
    if (sizes[0] === 0) throw fault('model_rejected', 'the file is empty');
    return { digest: request.artifact, sources, choice };
  }
  const list = JSON.stringify({ files: listed, convert: choice });
  return { digest: (await blobs.put([Buffer.from(list)])).digest, sources, choice };
}

/** The ONNX file of a source while it is registered; disposing removes what was only made for that. */
export interface ImportedSource extends AsyncDisposable {
  readonly path: string;
  readonly provenance: Readonly<Record<string, string>>;
}

/** An ONNX file as it is; everything else is converted and its report stored. */
export async function importSource(
  { sources, choice }: ModelSource,
  { convert, blobs }: { readonly convert: ConvertSource; readonly blobs: BlobStore },
): Promise<ImportedSource> {
  const [main] = sources[0] ?? [];
  const isPlain = sources.length === 1 && sources[0]?.length === 1 && Object.keys(choice).length === 0;
  if (main !== undefined && isPlain && sniffFile(await readFile(main.path)) === 'onnx')
    return { path: main.path, provenance: {}, [Symbol.asyncDispose]: async () => {} };
  const converted = await convert(sources, choice);
  const { report, verification } = converted.result;
  const stored = await blobs.put([Buffer.from(JSON.stringify(converted.result))]);
  const { framework, frameworkVersion, modelClass, format } = report.source;
  return {
    path: converted.path,
    provenance: {
      converted: `${format}: ${framework} ${frameworkVersion ?? 'of unknown version'}, ${modelClass}`,
      checked: describeVerification(verification),
      ...(report.notes.length > 0 && { conversionNotes: report.notes.join(' ') }),
      [reportKey]: stored.digest,
    },
    [Symbol.asyncDispose]: () => converted[Symbol.asyncDispose](),
  };
}

const reportKey = 'conversionReport';

/** @throws Fault `not_found` when the version was ONNX already */
export async function readConversion(
  blobs: BlobStore,
  provenance: Readonly<Record<string, string>>,
  what: string,
): Promise<ConversionResult> {
  const digest = provenance[reportKey];
  if (digest === undefined) throw fault('not_found', what);
  const text = await readFile(await blobs.locate(digestSchema.parse(digest)), 'utf8');
  return conversionResultSchema.parse(JSON.parse(text));
}
