import { expect, test } from 'vitest';
import { fakeFlights } from './fake-flights.ts';
import { InferRequestEncoder, lateProbabilities } from './infer-message.ts';

test('a request is the JSON of the protocol, then the tensors in its order, little-endian', () => {
  const flights = fakeFlights([
    { departedMs: 0, distance: 100 },
    { departedMs: 0, distance: 1.5 },
  ]);
  const { headers, body } = new InferRequestEncoder(['AAA', 'Zürich']).encode(flights);
  const headLength = Number(headers['inference-header-content-length']);
  const head: unknown = JSON.parse(body.subarray(0, headLength).toString());
  const numeric = (name: string) => ({
    name,
    datatype: 'FP32',
    shape: [2, 1],
    parameters: { binary_data_size: 8 },
  });
  expect(head).toEqual({
    inputs: [
      ...['hour', 'weekday', 'distance', 'origin_delay', 'destination_delay', 'origin_traffic'].map(numeric),
      { name: 'origin', datatype: 'BYTES', shape: [2, 1], parameters: { binary_data_size: 14 } },
      { name: 'destination', datatype: 'BYTES', shape: [2, 1], parameters: { binary_data_size: 22 } },
    ],
    outputs: [{ name: 'probabilities', parameters: { binary_data: true } }],
  });
  const tensors = body.subarray(headLength);
  expect(tensors.length).toBe(6 * 8 + 14 + 22);
  expect([tensors.readFloatLE(16), tensors.readFloatLE(20)]).toEqual([100, 1.5]);
  expect(tensors.subarray(48, 62).toString('latin1')).toBe('\x03\0\0\0AAA\x03\0\0\0AAA');
  expect(tensors.subarray(62, 73).toString()).toBe('\x07\0\0\0Zürich');
});

test('the second probability of each row is read, wherever the JSON ends', () => {
  const body = Buffer.alloc(3 + 16, '{} ');
  for (const [position, value] of [0.75, 0.25, 0.5, 0.5].entries()) body.writeFloatLE(value, 3 + position * 4);
  expect([...lateProbabilities(body, 3, 2)]).toEqual([0.25, 0.5]);
  expect(() => lateProbabilities(body, 3, 3)).toThrow('16 bytes of probabilities for 3 flights');
  expect(() => lateProbabilities(body, Number.NaN, 2)).toThrow(TypeError);
});
