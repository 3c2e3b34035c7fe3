import { readdirSync, readFileSync } from 'node:fs';

/** The variable that marks whatever a job starts; what drops it from its environment outlives the job. */
export const jobVariable = 'HOLDFAST_JOB';

/** The mark of a job that this process runs. */
export function jobMark(logPath: string): string {
  return `${process.pid}:${logPath}`;
}

/** The mark that a process was started with. */
function markOf(pid: number): string | undefined {
  try {
    const variables = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
    return variables.find(text => text.startsWith(`${jobVariable}=`))?.slice(jobVariable.length + 1);
  } catch {
    // It ended meanwhile, or belongs to somebody else.
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

function processes(): number[] {
  try {
    return readdirSync('/proc').map(Number).filter(Number.isInteger);
  } catch {
    return [];
  }
}

/**
 * Kills the processes of this machine that a job left behind in sessions of their own, where a signal to its process group
 * does not reach: those that were started with its mark by this process, or by one that is no more. Only where /proc is
 * (Linux).
 */
export function killLeftBehind(logPath: string): void {
  for (const pid of processes()) {
    const mark = markOf(pid);
    if (mark === undefined || pid === process.pid || !mark.endsWith(`:${logPath}`)) continue;
    const owner = Number(mark.slice(0, mark.indexOf(':')));
    if (mark !== `${owner}:${logPath}` || (owner !== process.pid && isAlive(owner))) continue;
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It ended meanwhile.
    }
  }
}
