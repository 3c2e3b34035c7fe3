import { type ChildProcess, spawn } from 'node:child_process';
import { extname, resolve } from 'node:path';
import { findProgram } from '../jobs/index.ts';

/** How a child ended; `errors` is the end of what it wrote to stderr. */
export interface ChildEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly errors: string;
}

/** A process of our own code with a message channel. `onEnd` is called exactly once, also when it could not start. */
export interface Child<To> {
  readonly pid: number | undefined;
  send(message: To): void;
  kill(signal: NodeJS.Signals): void;
}

export interface ChildOptions {
  /** The entry, without extension: a name beside this file, or an absolute path. */
  readonly entry: string;
  /** Working and home directory: an empty folder. */
  readonly cwd: string;
  /** Bytes that it may allocate beyond an empty process, where the system has `prlimit`; no limit when absent. */
  readonly memoryBytes?: number | undefined;
  readonly onMessage: (message: unknown) => void;
  readonly onEnd: (end: ChildEnd) => void;
}

const maxErrorCharacters = 2000;
/**
 * Data segment of a Node 24 process with ONNX Runtime and no model, measured: 640 MB, of which 512 are V8's reservation
 * for code. Below it the process cannot even start.
 */
const emptyProcessBytes = 704 * 1024 * 1024;

/** Starts a child that ends by itself when this process is gone (its channel closes). */
export function startChild<To extends object>(options: ChildOptions): Child<To> {
  const [command, ...args] = commandLine(options);
  const child = spawn(command!, args, {
    cwd: options.cwd,
    env: childEnvironment(options.cwd),
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const errors = keepErrors(child);
  let hasEnded = false;
  const end = (code: number | null, signal: NodeJS.Signals | null, extra = ''): void => {
    if (hasEnded) return;
    hasEnded = true;
    options.onEnd({ code, signal, errors: errors() + extra });
  };
  child.on('message', message => {
    if (!hasEnded) options.onMessage(message);
  });
  child.on('error', error => {
    if (child.pid === undefined) end(null, null, error.message);
  });
  // 'close' comes after the last message and the last byte of stderr.
  child.on('close', end);
  return {
    pid: child.pid,
    send: message => {
      if (child.connected) child.send(message, () => {});
    },
    kill: signal => {
      child.kill(signal);
    },
  };
}

function commandLine({ entry, memoryBytes }: ChildOptions): string[] {
  const file = resolve(import.meta.dirname, `${entry}${extname(import.meta.filename)}`);
  const node = [process.execPath, ...inheritedArguments(process.execArgv), file];
  if (memoryBytes === undefined) return node;
  const prlimit = findProgram('prlimit');
  // prlimit replaces itself by node, so process id and channel are node's.
  return prlimit === undefined ? node : [prlimit, `--data=${emptyProcessBytes + memoryBytes}`, ...node];
}

/** Node's own arguments without those that only one process can have: debugger ports and code to evaluate. */
function inheritedArguments(execArgv: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i < execArgv.length; i++) {
    const argument = execArgv[i]!;
    if (/^(--eval|--print|-e|-p|-pe|--input-type)$/.test(argument)) i++;
    else if (!/^--(inspect|eval=|print=|input-type=|watch|test\b)/.test(argument)) kept.push(argument);
  }
  return kept;
}

const passedOn = /^(PATH|LANG|LC_\w+|TZ|TMPDIR|LD_LIBRARY_PATH|CUDA_\w+|NVIDIA_\w+|OMP_\w+|SystemRoot)$/;

/** Native code sees no secret of this process, no home directory, and ONNX Runtime reports nothing to its maker. */
function childEnvironment(home: string): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => passedOn.test(name));
  return { ...Object.fromEntries(kept), HOME: home, ORT_DISABLE_TELEMETRY: '1' };
}

function keepErrors(child: ChildProcess): () => string {
  let tail = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    tail = (tail + text).slice(-maxErrorCharacters);
  });
  return () => tail;
}

/** A clause for sentences: `its process was ended by signal SIGABRT`. */
export function describeEnd({ code, signal, errors }: ChildEnd): string {
  if (signal !== null) return `its process was ended by signal ${signal}`;
  if (code === null) return `its process could not be started (${errors})`;
  return `its process ended with exit code ${code}`;
}
