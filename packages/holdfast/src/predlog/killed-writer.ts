import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { followLog } from './log-follower.ts';
import { silentLog } from './sample-model.ts';

const writer = fileURLToPath(new URL('./crash-writer.ts', import.meta.url));

/** For tests and measurements: what a killed writer had said. */
export interface Witness {
  /** Predictions handed over, with the time at which they had all been. */
  handed: { n: number; atMs: number }[];
  acknowledged: number[];
}

async function exited(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await new Promise<void>(resolve => child.once('close', () => resolve()));
}

/** Runs a writer, kills it after it told of predictions `tellings` times, and returns what it had said before. */
export async function runAndKill(directory: string, first: number, tellings: number): Promise<Witness> {
  const child = spawn(process.execPath, ['--conditions=source', writer, directory, String(first), '20000'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const witness: Witness = { handed: [], acknowledged: [] };
  let rest = '';
  child.stdout.setEncoding('utf8');
  child.stdout.on('data', (text: string) => {
    const parts = (rest + text).split('\n');
    rest = parts.pop() ?? '';
    for (const line of parts) {
      const [kind, n, atMs] = line.split(' ');
      if (kind === 'p') witness.handed.push({ n: Number(n), atMs: Number(atMs) });
      else witness.acknowledged.push(Number(n));
    }
    if (witness.handed.length >= tellings && !child.killed) child.kill('SIGKILL');
  });
  await new Promise<void>(resolve => child.stdout.once('close', () => resolve()));
  await exited(child);
  return witness;
}

export interface LogContents {
  readonly predictions: Map<string, number>;
  readonly labels: Map<string, number>;
  readonly damagedBytes: number;
}

/** How often each prediction and each label value is in the log. */
export async function readEverything(directory: string): Promise<LogContents> {
  const follower = followLog({ directory, log: silentLog });
  const predictions = new Map<string, number>();
  const labels = new Map<string, number>();
  const add = (to: Map<string, number>, id: string): unknown => to.set(id, (to.get(id) ?? 0) + 1);
  for (let chunks = await follower.readNew(); chunks.length > 0; chunks = await follower.readNew()) {
    for (const chunk of chunks) {
      if (chunk.kind === 'predictions') for (const id of chunk.requests.ids) add(predictions, id);
      if (chunk.kind === 'labels') for (const value of chunk.values) add(labels, value);
    }
  }
  return { predictions, labels, damagedBytes: follower.damagedBytes };
}
