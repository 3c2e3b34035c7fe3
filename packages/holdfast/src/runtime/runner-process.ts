// Entry of a runner process: loads one model version, answers frames on a Unix socket, ends with its parent.

import { runDeclaredWarmUp } from './declared-warm-up.ts';
import { guardAgainstOrphanhood } from './orphan-guard.ts';
import { OrtSession, reasonOf } from './ort-session.ts';
import { RunServer, type RunTarget } from './run-server.ts';
import type { RunnerTarget } from './runner.ts';
import type { FromRunner, ToRunner } from './runner-messages.ts';
import { SequenceStates } from './sequence-states.ts';
import { warmUp } from './warm-up.ts';

let server: RunServer | undefined;

function tell(message: FromRunner): void {
  if (process.connected) process.send?.(message);
}

/** A stateful model keeps its states here, beside its session. */
function served(session: OrtSession, { signature, sequences }: RunnerTarget): RunTarget {
  const run: RunTarget['run'] = inputs => session.run(inputs);
  if (sequences === undefined) return { run, reasonOf };
  const states = new SequenceStates({ run, signature, sequences, clock: () => performance.now() });
  return {
    run: (inputs, step) => (step === undefined ? run(inputs) : states.run(inputs, step)),
    closed: connection => states.closed(connection),
    reasonOf,
  };
}

async function start(target: RunnerTarget, socketPath: string): Promise<void> {
  const began = performance.now();
  try {
    const { threads, executionProviders } = target;
    const session = await OrtSession.load(target.modelPath, {
      threads,
      ...(executionProviders && { executionProviders }),
    });
    const loadMs = performance.now() - began;
    const note = await warmUp(session, target);
    await runDeclaredWarmUp(session, target);
    server = new RunServer(served(session, target));
    await server.listen(socketPath);
    tell({ kind: 'ready', loadMs, note });
  } catch (error) {
    tell({ kind: 'rejected', why: reasonOf(error) });
    process.exitCode = 1;
    if (process.connected) process.disconnect();
    return;
  }
  guardAgainstOrphanhood(target.hangTimeoutMs);
}

/** Answers what has arrived and ends. */
async function finish(): Promise<void> {
  await server?.[Symbol.asyncDispose]();
  process.exit();
}

process.on('message', (message: ToRunner) => {
  if (message.kind === 'ping') tell({ kind: 'pong' });
  else void start(message.target, message.socketPath);
});
process.on('disconnect', () => void finish());
process.on('SIGTERM', () => void finish());
// Ctrl-C reaches the whole process group; the parent decides when its runners end.
process.on('SIGINT', () => {});
