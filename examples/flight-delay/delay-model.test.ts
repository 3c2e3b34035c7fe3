import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { DelayModel, type ModelInputs } from './delay-model.ts';
import type { NumericFeature } from './flights.ts';

/** Flights with the probability of being late that the trained booster gave before it was exported. */
const referenceSchema = z.array(
  z.object({
    hour: z.number(),
    weekday: z.number(),
    distance: z.number(),
    origin_delay: z.number(),
    destination_delay: z.number(),
    origin_traffic: z.number(),
    origin: z.string(),
    destination: z.string(),
    probability: z.number(),
  }),
);

test('the model file answers as the trained booster did', async () => {
  const reference = referenceSchema.parse(
    JSON.parse(await readFile(new URL('reference.json', import.meta.url), 'utf8')),
  );
  const column = (name: NumericFeature) => Float32Array.from(reference, flight => flight[name]);
  const inputs: ModelInputs = {
    rows: reference.length,
    numeric: {
      hour: column('hour'),
      weekday: column('weekday'),
      distance: column('distance'),
      origin_delay: column('origin_delay'),
      destination_delay: column('destination_delay'),
      origin_traffic: column('origin_traffic'),
    },
    origin: reference.map(flight => flight.origin),
    destination: reference.map(flight => flight.destination),
  };
  await using model = await DelayModel.load();
  const { label, probabilities } = await model.predict(inputs);
  expect(reference).toHaveLength(120);
  for (const [row, { probability }] of reference.entries()) {
    expect(probabilities[2 * row + 1], `row ${row}`).toBeCloseTo(probability, 5);
    expect(label[row], `row ${row}`).toBe(probability > 0.5 ? 1n : 0n);
  }
});
