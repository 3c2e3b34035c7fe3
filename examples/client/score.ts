// Asks the served flight model with the client of @holdfast/api, as Node or a page would:
//   npm run holdfast -- up examples/flight-delay/model.onnx
//   npx node --conditions=source examples/client/score.ts [http://127.0.0.1:8080] [model]
import { readFileSync } from 'node:fs';
import { InferenceClient, InferenceError, type InputsOf, tensor } from '@holdfast/api/inference';

/** Datatypes of the model's tensors; with them a wrong name or storage does not compile. */
type FlightDelay = {
  readonly inputs: {
    readonly hour: 'FP32';
    readonly weekday: 'FP32';
    readonly distance: 'FP32';
    readonly origin_delay: 'FP32';
    readonly destination_delay: 'FP32';
    readonly origin_traffic: 'FP32';
    readonly origin: 'BYTES';
    readonly destination: 'BYTES';
  };
  readonly outputs: { readonly probabilities: 'FP32'; readonly label: 'INT64' };
};

type Flight = Readonly<Record<keyof FlightDelay['inputs'] | 'probability', number | string>>;

/** Flights as columns, one row each. */
function inputsOf(flights: readonly Flight[]): InputsOf<FlightDelay> {
  const shape = [flights.length, 1];
  const numbers = (name: keyof Flight) =>
    tensor(
      'FP32',
      shape,
      Float32Array.from(flights, flight => Number(flight[name])),
    );
  const texts = (name: keyof Flight) =>
    tensor(
      'BYTES',
      shape,
      flights.map(flight => String(flight[name])),
    );
  return {
    hour: numbers('hour'),
    weekday: numbers('weekday'),
    distance: numbers('distance'),
    origin_delay: numbers('origin_delay'),
    destination_delay: numbers('destination_delay'),
    origin_traffic: numbers('origin_traffic'),
    origin: texts('origin'),
    destination: texts('destination'),
  };
}

const [url = 'http://127.0.0.1:8080', name = 'model'] = process.argv.slice(2);
const flights: readonly Flight[] = JSON.parse(
  readFileSync(new URL('../flight-delay/reference.json', import.meta.url), 'utf8'),
).slice(0, 40);
const model = new InferenceClient(url, { timeoutMs: 10_000 }).model<FlightDelay>(name);

try {
  // Ten flights to a request, two requests at a time; answers come in order.
  const requests = [0, 10, 20, 30].map(from => ({ inputs: inputsOf(flights.slice(from, from + 10)) }));
  let row = 0;
  let largestError = 0;
  for await (const { outputs, predictionId } of model.inferMany(requests, {
    concurrency: 2,
    outputs: ['probabilities'],
  })) {
    const { data } = outputs.probabilities;
    for (let i = 0; i < 10; i++, row++) {
      largestError = Math.max(
        largestError,
        Math.abs((data[2 * i + 1] ?? Number.NaN) - Number(flights[row]?.probability)),
      );
    }
    // What became true: the first flight of every request was late.
    if (predictionId !== undefined) await model.label([{ predictionId: `${predictionId}/0`, value: 1 }]);
  }
  console.log(
    `${row} flights scored; the largest difference from the published probabilities is ${largestError.toFixed(6)}`,
  );
} catch (error) {
  if (!(error instanceof InferenceError)) throw error;
  console.error(`${error.code}: ${error.message}`);
  process.exitCode = 1;
}
