import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunModel } from '@holdfast/onnx/convert';
import { OrtSession } from '../runtime/index.ts';

/** Runs ONNX bytes in this process, which must be a child; keeps the session of the model asked last. */
export class ModelRunner {
  readonly #folder: string;
  #model: Uint8Array | undefined;
  #session: OrtSession | undefined;

  /** @param folder where the bytes are put for the runtime */
  constructor(folder: string) {
    this.#folder = folder;
  }

  readonly run: RunModel = async (model, inputs) => {
    if (this.#session === undefined || this.#model !== model) {
      const path = join(this.#folder, 'trial.onnx');
      await writeFile(path, model);
      this.#session = await OrtSession.load(path, { threads: 1 });
      this.#model = model;
    }
    return (await this.#session.run(inputs)).outputs;
  };
}
