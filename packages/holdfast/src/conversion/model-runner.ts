import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OnnxError } from '@holdfast/onnx';
import type { RunModel } from '@holdfast/onnx/convert';
import { OrtSession, reasonOf } from '../runtime/index.ts';

/** Runs ONNX bytes in this process, which must be a child; keeps the session of the model asked last. */
export class ModelRunner {
  readonly #folder: string;
  #model: Uint8Array | undefined;
  #session: OrtSession | undefined;

  /** @param folder where the bytes are put for the runtime */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Loads bytes unless they are loaded already. @throws OnnxError `conversion_wrong` when the runtime does not take them */
  async load(model: Uint8Array): Promise<OrtSession> {
    if (this.#session !== undefined && this.#model === model) return this.#session;
    const path = join(this.#folder, 'trial.onnx');
    await writeFile(path, model);
    this.#session = await OrtSession.load(path, { threads: 1 }).catch((cause: unknown) => {
      throw new OnnxError('conversion_wrong', `the graph does not load: ${reasonOf(cause)}`, { cause });
    });
    this.#model = model;
    return this.#session;
  }

  readonly run: RunModel = async (model, inputs) => (await (await this.load(model)).run(inputs)).outputs;
}
