import { decodeFrame, FrameEncoder } from './frames.ts';
import { goldenInputs, hasFreeBatch } from './golden-inputs.ts';
import { type OrtSession, reasonOf } from './ort-session.ts';
import type { RunnerTarget } from './runner.ts';

/** Rows of the larger golden request. */
const largerBatch = 32;
/** Repetitions end after this, so that a slow model is not kept from serving. */
const budgetMs = 60;
const maxRepetitions = 40;

/**
 * Runs golden requests through codec and runtime, so that the first caller does not pay for allocation and compilation.
 * Gives a note when the model does not like the golden input, which says nothing about real ones.
 */
export async function warmUp(session: OrtSession, target: RunnerTarget): Promise<string | undefined> {
  const specs = target.signature.inputs;
  const batches = hasFreeBatch(specs) ? [1, largerBatch] : [1];
  const encoder = new FrameEncoder();
  const end = performance.now() + budgetMs;
  for (let i = 0; i < maxRepetitions && (i === 0 || performance.now() < end); i++) {
    const inputs = goldenInputs(specs, batches[i % batches.length]!);
    if (inputs === undefined) return 'the fixed input shape is too large for a golden request';
    const frame = decodeFrame(Buffer.from(encoder.encode({ kind: 'run', id: i, tensors: inputs })));
    if (frame.kind !== 'run') continue;
    try {
      const { outputs, inferUs } = await session.run(frame.tensors);
      encoder.encode({ kind: 'answer', id: i, tensors: outputs, inferUs });
    } catch (error) {
      return `the golden request failed: ${reasonOf(error)}`;
    }
  }
  return undefined;
}
