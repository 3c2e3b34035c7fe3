import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fault, isFault } from '@holdfast/api';
import { type ConvertedModel, type ConvertModelOptions, convertModel } from './convert-model.ts';
import { exportWithPython } from './python-export.ts';
import { sourceFilesOf } from './source-files.ts';

/** The Python that may export what cannot be converted without it. */
export interface PythonChoice {
  readonly python: string;
  /** Whether code that is stored in the file may run. */
  readonly allowCode: boolean;
  /** Shapes of the example inputs, as JSON. */
  readonly shapes: string | undefined;
  /** Told what will be run, before it runs. */
  readonly onRun: (announcement: string) => void;
}

/**
 * Converts one model; when that is refused and a script can export the model, runs the script in the user's Python and
 * converts the ONNX that it writes.
 * @throws Fault `model_rejected` when code is not allowed, the script fails or its result is refused
 */
export async function convertWithPython(
  path: string,
  choice: PythonChoice,
  options: ConvertModelOptions & { readonly timeoutMs: number },
): Promise<ConvertedModel> {
  const deadline = performance.now() + options.timeoutMs;
  const left = (): number => Math.max(1, Math.round(deadline - performance.now()));
  const files = await sourceFilesOf(path);
  const [main] = files;
  let script: string | undefined;
  const onRecipe = (recipe: string): void => {
    script = recipe;
  };
  try {
    return await convertModel([files], { ...options, onRecipe });
  } catch (error) {
    // A script reads one file; what a folder holds besides it would be lost.
    if (script === undefined || main === undefined || files.length > 1 || !isFault(error)) throw error;
    if (!choice.allowCode)
      throw fault(
        'model_rejected',
        `${error.message}\nIt would be run with ${choice.python}. Loading such a file can execute code that is stored in it: add --allow-code when you trust where it comes from.`,
      );
  }
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-python-'));
  try {
    choice.onRun(`running with ${choice.python}, which may execute code stored in ${main.path}:\n\n${script}\n`);
    const { python, shapes } = choice;
    const { signal } = options;
    const sha256 = await hashOf(main.path);
    const exported = await exportWithPython({
      python,
      script,
      source: main.path,
      shapes,
      folder,
      signal,
      timeoutMs: left(),
    });
    const converted = await convertModel([await sourceFilesOf(exported)], { ...options, timeoutMs: left() });
    const note = `Exported to ONNX from ${basename(main.path)} (sha256 ${sha256}) by a script run with ${python} (--allow-code): user code ran. What was checked is the exported ONNX, not the original.`;
    const { report } = converted.result;
    return {
      ...converted,
      result: { ...converted.result, report: { ...report, notes: [...report.notes, note] } },
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
