// Entry of a validator process: loads one untrusted model, asks it golden requests, tells what happened, and ends.
import { checkGolden } from './golden-check.ts';
import { guardAgainstOrphanhood } from './orphan-guard.ts';
import { OrtSession, reasonOf } from './ort-session.ts';
import type { FromValidator, ToValidator } from './validator-messages.ts';

function tell(message: FromValidator): void {
  if (process.connected) process.send?.(message);
}

async function validate({ modelPath, inputs, goldenBudgetMs }: ToValidator): Promise<void> {
  const began = performance.now();
  const session = await OrtSession.load(modelPath, { threads: 1 });
  tell({
    kind: 'loaded',
    loadMs: performance.now() - began,
    inputs: session.inputs,
    outputs: session.outputs,
  });
  const subject = { run: session.run.bind(session), reasonOf };
  tell({ kind: 'ran', golden: await checkGolden(subject, inputs, goldenBudgetMs) });
}

guardAgainstOrphanhood(0);
process.on('disconnect', () => process.exit());
process.on('SIGINT', () => {});
process.once('message', (message: ToValidator) => {
  validate(message)
    .catch((error: unknown) => tell({ kind: 'rejected', why: reasonOf(error) }))
    .finally(() => process.disconnect());
});
