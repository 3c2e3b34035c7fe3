import type * as TensorflowJs from '@tensorflow/tfjs';
import { EngineMissing } from './engine-missing.ts';

const packageName = '@tensorflow/tfjs';

export type Tensorflow = typeof TensorflowJs;

let loaded: Promise<Tensorflow> | undefined;

async function load(): Promise<Tensorflow> {
  try {
    const tf = await import('@tensorflow/tfjs');
    // Else it advertises its native backend on the first run.
    tf.enableProdMode();
    await tf.setBackend('cpu');
    return tf;
  } catch (cause) {
    const isAbsent = cause instanceof Error && 'code' in cause && /MODULE_NOT_FOUND$/.test(String(cause.code));
    if (isAbsent) throw new EngineMissing(packageName, { cause });
    throw cause;
  }
}

/** TensorFlow.js on its CPU backend. @throws EngineMissing when it is not installed */
export function loadTensorflowJs(): Promise<Tensorflow> {
  loaded ??= load();
  return loaded;
}
