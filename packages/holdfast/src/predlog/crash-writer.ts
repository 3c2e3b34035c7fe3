import { openLabelLog } from './label-log.ts';
import { openRecorder } from './recorder.ts';
import { sampleRequest, silentLog } from './sample-model.ts';

/**
 * For tests: a gateway that records without end until it is killed. Arguments: log directory, first number, predictions
 * a second. On stdout, one line per event: `p <n> <ms>` after prediction n was handed over, at most every 5 ms; `l <n>`
 * when label n was acknowledged.
 */
const [directory = '', first = '0', perSecond = '20000'] = process.argv.slice(2);
const options = { directory, instance: 'gateway-1', clock: Date.now, log: silentLog, segmentAgeMs: 400 };
const recorder = await openRecorder(options);
const labels = await openLabelLog(options);
let next = Number(first);
let label = Number(first);
const startedMs = performance.now();
const begun = next;

setInterval(() => {
  const due = begun + Math.floor(((performance.now() - startedMs) / 1000) * Number(perSecond));
  for (; next < due; next++) recorder.answered(sampleRequest(next, { receivedMs: Date.now(), key: `k${next}` }));
  process.stdout.write(`p ${next - 1} ${Date.now()}\n`);
}, 5);

async function keepLabelling(): Promise<void> {
  for (;;) {
    const n = label++;
    await labels.append('flights', [{ predictionId: `p-${n}`, key: undefined, value: String(n), eventMs: n }]);
    process.stdout.write(`l ${n}\n`);
  }
}
await Promise.all([keepLabelling(), keepLabelling(), keepLabelling()]);
