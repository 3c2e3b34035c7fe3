import { fileURLToPath } from 'node:url';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { type Flights, type NumericFeature, numericFeatures } from './flights.ts';

/** The model: inputs of shape [rows, 1], outputs `label` [rows] and `probabilities` [rows, 2] (on time, late). */
export const modelFile = fileURLToPath(new URL('model.onnx', import.meta.url));

/** The model's inputs, one value per row each. */
export interface ModelInputs {
  readonly rows: number;
  readonly numeric: Readonly<Record<NumericFeature, Float32Array>>;
  readonly origin: readonly string[];
  readonly destination: readonly string[];
}

/** The model's outputs. */
export interface Predictions {
  /** 1 when the flight is predicted to be late. */
  readonly label: BigInt64Array;
  /** Two per row: `on time`, `late`. */
  readonly probabilities: Float32Array;
}

/** The flights as the model takes them, with airports by name. */
export function modelInputs(flights: Flights, airports: readonly string[]): ModelInputs {
  const nameOf = (code: number): string => airports[code]!;
  return {
    rows: flights.rows,
    numeric: flights.numeric,
    origin: Array.from(flights.origin, nameOf),
    destination: Array.from(flights.destination, nameOf),
  };
}

/** The model run directly in this process, without a server: for the baseline, the checks and the tests. */
export class DelayModel implements AsyncDisposable {
  readonly #session: InferenceSession;

  private constructor(session: InferenceSession) {
    this.#session = session;
  }

  static async load(): Promise<DelayModel> {
    // A second thread spins between the small batches: it costs twice the CPU and saves no time.
    const session = await InferenceSession.create(modelFile, { intraOpNumThreads: 1 });
    return new DelayModel(session);
  }

  async predict(inputs: ModelInputs): Promise<Predictions> {
    const shape = [inputs.rows, 1];
    const feeds: Record<string, Tensor> = {
      origin: new Tensor('string', [...inputs.origin], shape),
      destination: new Tensor('string', [...inputs.destination], shape),
    };
    for (const name of numericFeatures) feeds[name] = new Tensor('float32', inputs.numeric[name], shape);
    const answers = await this.#session.run(feeds);
    const label = answers.label?.data;
    const probabilities = answers.probabilities?.data;
    if (!(label instanceof BigInt64Array && probabilities instanceof Float32Array)) {
      throw new TypeError(`${modelFile} does not have the outputs label (int64) and probabilities (float32)`);
    }
    return { label, probabilities };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session.release();
  }
}
