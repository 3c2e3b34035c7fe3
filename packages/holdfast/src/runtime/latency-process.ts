// Entry of a latency process: loads one model, runs it a number of times, tells the median, and ends.
import { goldenInputs } from './golden-inputs.ts';
import type { FromLatencyProcess, ToLatencyProcess } from './latency-messages.ts';
import { guardAgainstOrphanhood } from './orphan-guard.ts';
import { OrtSession, reasonOf } from './ort-session.ts';

/** Runs before the measured ones: allocation and the processor's frequency settle. */
const warmUps = 10;

function tell(message: FromLatencyProcess): void {
  if (process.connected) process.send?.(message);
}

async function measure({ modelPath, inputs, rows, runs }: ToLatencyProcess): Promise<FromLatencyProcess> {
  const session = await OrtSession.load(modelPath, { threads: 1 });
  const tensors = goldenInputs(inputs, rows, 'varied');
  if (tensors === undefined) return { kind: 'rejected', why: 'its fixed input shape is too large to be measured' };
  const times: number[] = [];
  for (let i = 0; i < warmUps + runs; i++) {
    const { inferUs } = await session.run(tensors);
    if (i >= warmUps) times.push(inferUs / 1000);
  }
  times.sort((a, b) => a - b);
  const middle = Math.floor(runs / 2);
  return { kind: 'measured', medianMs: runs % 2 === 1 ? times[middle]! : (times[middle - 1]! + times[middle]!) / 2 };
}

guardAgainstOrphanhood(0);
process.on('disconnect', () => process.exit());
process.on('SIGINT', () => {});
process.once('message', (message: ToLatencyProcess) => {
  measure(message)
    .then(tell)
    .catch((error: unknown) => tell({ kind: 'rejected', why: reasonOf(error) }))
    .finally(() => process.disconnect());
});
