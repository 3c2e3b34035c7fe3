import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fault } from '@holdfast/api';
import { findProgram } from './find-program.ts';
import type { Job, JobBackend, JobEnd, JobSpec } from './job.ts';
import { JobLimits } from './job-limits.ts';
import { JobLog } from './job-log.ts';
import { jobMark, jobVariable, killLeftBehind } from './left-behind.ts';
import { LineSplitter } from './line-feed.ts';

const maxErrorCharacters = 2000;
/** A grandchild that keeps the output open does not hold up the end of the job for longer. */
const drainMs = 2000;

/** The program with what keeps it within its limits and lets it end with this process, where the system has that. */
function guarded(program: string, args: readonly string[], memoryBytes: number | undefined): string[] {
  const setpriv = findProgram('setpriv');
  const prlimit = memoryBytes === undefined ? undefined : findProgram('prlimit');
  return [
    ...(setpriv === undefined ? [] : [setpriv, '--pdeathsig', 'KILL', '--']),
    ...(prlimit === undefined ? [] : [prlimit, `--data=${memoryBytes}`, '--']),
    program,
    ...args,
  ];
}

/** Sends a signal to the whole process group, so that what the command started ends as well. */
function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The group is gone.
  }
}

function endOf(code: number | null, signal: NodeJS.Signals | null, limits: JobLimits): JobEnd {
  if (limits.because !== undefined) return limits.because;
  return signal === null ? { kind: 'exited', code: code ?? 1 } : { kind: 'killed', signal };
}

async function spawned(child: ChildProcess, spec: JobSpec): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', () => resolve());
    child.once('error', error => reject(fault('job_not_started', `${spec.command[0] ?? ''}: ${error.message}`)));
  });
}

/** Passes what the job prints to its log, and its output line by line to `onLine`, which may take its time. */
async function feed(child: ChildProcess, log: JobLog, onLine: (line: string) => Promise<void>): Promise<void> {
  const { stdout } = child;
  if (stdout === null) return;
  const splitter = new LineSplitter();
  try {
    for await (const chunk of stdout) {
      if (!(chunk instanceof Uint8Array)) continue;
      log.write(chunk);
      for (const line of splitter.push(chunk)) await onLine(line);
    }
  } catch (error) {
    const isCutOff = error instanceof Error && 'code' in error && error.code === 'ERR_STREAM_PREMATURE_CLOSE';
    if (!isCutOff) throw error;
  }
  for (const line of splitter.end()) await onLine(line);
}

async function start(spec: JobSpec, onLine: (line: string) => Promise<void>): Promise<Job> {
  const [name = '', ...args] = spec.command;
  if (!existsSync(spec.cwd)) throw fault('job_not_started', `there is no folder ${spec.cwd}`);
  const program = findProgram(name, spec.cwd);
  if (program === undefined) throw fault('job_not_started', `there is no program "${name}"`);
  // What a worker that was killed has left of the same job would write into the same folder.
  killLeftBehind(spec.logPath);
  const [command = program, ...rest] = guarded(program, args, spec.memoryBytes);
  const child = spawn(command, rest, {
    cwd: spec.cwd,
    env: { ...process.env, ...spec.environment, [jobVariable]: jobMark(spec.logPath) },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  await spawned(child, spec);
  child.on('error', () => {});
  const log = new JobLog(spec.logPath);
  let errors = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    log.write(chunk);
    errors = (errors + chunk.toString('utf8')).slice(-maxErrorCharacters);
  });
  let kill: NodeJS.Timeout | undefined;
  const limits = new JobLimits(spec, () => {
    signalGroup(child, 'SIGTERM');
    kill = setTimeout(() => signalGroup(child, 'SIGKILL'), spec.graceMs);
  });
  const exited = new Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>(resolve => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  const fed = feed(child, log, onLine);
  // Nobody takes its lines any more: it would wait for ever on a full pipe.
  fed.catch(() => limits.end({ kind: 'stopped' }));
  const ended = (async () => {
    const { code, signal } = await exited;
    limits[Symbol.dispose]();
    clearTimeout(kill);
    const end = endOf(code, signal, limits);
    signalGroup(child, 'SIGKILL');
    killLeftBehind(spec.logPath);
    const drain = setTimeout(() => child.stdout?.destroy(), drainMs);
    try {
      await fed;
    } finally {
      clearTimeout(drain);
      // A pipe that somebody else still holds open would keep this process alive.
      child.stderr?.destroy();
      await log[Symbol.asyncDispose]();
    }
    return { end, errors };
  })();
  return {
    id: String(child.pid),
    ended,
    sawProgress: () => limits.sawProgress(),
    stop: () => limits.end({ kind: 'stopped' }),
    forget: async () => {},
  };
}

/** Jobs as processes of this machine, each a process group of its own. */
export const localJobs: JobBackend = { start };
