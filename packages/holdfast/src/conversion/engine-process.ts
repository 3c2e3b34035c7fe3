// Entry of an engine process: runs a source by the engine of its own framework, writes what it answered, ends.
import { readFile, writeFile } from 'node:fs/promises';
import { deserialize, serialize } from 'node:v8';
import { runSource } from '@holdfast/onnx/engines';
import { guardAgainstOrphanhood } from '../runtime/index.ts';
import type { Batches, FromEngine, ToEngine } from './engine-messages.ts';

async function answer(request: ToEngine): Promise<void> {
  const files = await Promise.all(
    request.files.map(async ({ name, path }) => ({ name, bytes: new Uint8Array(await readFile(path)) })),
  );
  const batches: Batches = deserialize(await readFile(request.inputsPath));
  const answered = await runSource({ format: request.format, files, choice: request.choice, batches });
  await writeFile(request.answerPath, serialize(answered));
  const message: FromEngine = { kind: 'answered' };
  if (process.connected) process.send?.(message);
}

guardAgainstOrphanhood(0);
process.on('disconnect', () => process.exit());
process.on('SIGINT', () => {});
process.once('message', (message: ToEngine) => {
  // A failure shows as a process that ends without an answer.
  void answer(message).finally(() => process.disconnect());
});
