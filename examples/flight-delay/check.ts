// Recomputes the published figures of the example from all recorded flights, with the model run in this process:
//   npx node --conditions=source examples/flight-delay/check.ts [--data DIR] [--json]
// Ends with exit code 1 when a figure differs.
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { DelayModel, modelInputs } from './delay-model.ts';
import { FlightStore } from './flights.ts';
import { january, laterMonths, type Month } from './months.ts';
import { ScoredFlights } from './scored-flights.ts';

async function scoreMonth(store: FlightStore, model: DelayModel, month: Month): Promise<ScoredFlights> {
  const scored = new ScoredFlights();
  for await (const flights of store.read(month)) {
    const { probabilities } = await model.predict(modelInputs(flights, store.airports));
    for (let row = 0; row < flights.rows; row++) scored.add(probabilities[2 * row + 1]!, flights.late[row]!);
  }
  return scored;
}

const { values: options } = parseArgs({
  options: {
    data: { type: 'string', default: join(tmpdir(), 'holdfast-flight-delay') },
    json: { type: 'boolean', default: false },
  },
});

using store = await FlightStore.open(options.data);
await using model = await DelayModel.load();
const lines = [];
for (const month of [january, ...laterMonths]) {
  const scored = await scoreMonth(store, model, month);
  const auc = scored.areaUnderCurve();
  lines.push({
    month: month.name,
    flights: scored.rows,
    auc: auc.toFixed(4),
    publishedAuc: month.auc.toFixed(4),
    latePercent: (100 * scored.lateShare).toFixed(1),
    publishedLatePercent: (100 * month.lateShare).toFixed(1),
  });
}
if (options.json) console.log(JSON.stringify(lines));
else console.table(lines);
const isEqual = lines.every(line => line.auc === line.publishedAuc && line.latePercent === line.publishedLatePercent);
process.exitCode = isEqual ? 0 : 1;
