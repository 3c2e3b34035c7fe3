import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fault } from '@holdfast/api';

export interface PythonExport {
  /** The interpreter: a path, or a name to find in PATH. */
  readonly python: string;
  /** Python that reads `sys.argv[1]` and writes ONNX to `sys.argv[2]`. */
  readonly script: string;
  readonly source: string;
  /** Shapes of the example inputs, as JSON; the script's own when absent. */
  readonly shapes?: string | undefined;
  /** A temporary folder of its own: the script, its working folder, and what it writes. */
  readonly folder: string;
  /** Time that it may take, ms. */
  readonly timeoutMs: number;
  /** Aborting ends the interpreter and all that it started. */
  readonly signal?: AbortSignal | undefined;
}

/** Characters kept of what the script prints as errors, and the lines of it that a sentence shows. */
const keptCharacters = 8192;
const shownLines = 8;

function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => name === 'PATH' || name === 'HOME' || name.startsWith('PYTHON')),
  );
}

/**
 * Runs an export script in the user's Python, in a process group of its own that does not outlive this call.
 * @returns the path of the ONNX file in the folder
 * @throws Fault `model_rejected` when Python does not start, fails, takes too long or writes nothing; the signal's reason when aborted
 */
export async function exportWithPython(request: PythonExport): Promise<string> {
  const { folder, timeoutMs, signal, shapes } = request;
  const python = request.python.includes('/') ? resolve(request.python) : request.python;
  const scriptPath = join(folder, 'export.py');
  const target = join(folder, 'exported.onnx');
  await writeFile(scriptPath, request.script);
  signal?.throwIfAborted();
  const { promise, resolve: finish, reject } = Promise.withResolvers<string>();
  const shapeArguments = shapes === undefined ? [] : [shapes];
  const child = spawn(python, [scriptPath, resolve(request.source), target, ...shapeArguments], {
    cwd: folder,
    env: environment(),
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let errors = '';
  let late = false;
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-keptCharacters);
  });
  const killGroup = (): void => {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // The whole group has ended already.
    }
  };
  signal?.addEventListener('abort', killGroup);
  const timer = setTimeout(() => {
    late = true;
    killGroup();
  }, timeoutMs);
  child.once('error', error => reject(fault('model_rejected', `${python} could not be started: ${error.message}.`)));
  // What it left running would hold its output open and outlive the command.
  child.once('exit', killGroup);
  child.once('close', (code, endedBy) => {
    const lines = errors.trimEnd().split('\n').slice(-shownLines).join('\n');
    if (signal?.aborted) reject(signal.reason);
    else if (late)
      reject(fault('model_rejected', `the export script did not finish within ${timeoutMs / 1000} s.\n${lines}`));
    else if (code !== 0)
      reject(fault('model_rejected', `the export script ended with ${endedBy ?? `code ${code}`}:\n${lines}`));
    else if (!existsSync(target))
      reject(fault('model_rejected', `the export script ended well, but wrote no ONNX file.\n${lines}`));
    else finish(target);
  });
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', killGroup);
  }
}
