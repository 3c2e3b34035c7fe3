import { newWorkerId, openTuning } from '../../packages/holdfast/src/tuning/index.ts';

// A worker of a study that many share: says on stdout what it holds and what was taken, so that a test can kill it in
// the middle. Arguments: database, study.
const [, , database = '', name = ''] = process.argv;
await using tuning = await openTuning(database, Date.now);
const study = tuning.studies.study(name);
const worker = newWorkerId();
const say = (text: string): Promise<void> => new Promise(resolve => process.stdout.write(`${text}\n`, () => resolve()));

for (;;) {
  const asked = await study.ask(worker);
  if (asked.kind !== 'trial') break;
  const loss = (Number(asked.flat.x) - 0.3) ** 2;
  await say(`held ${asked.number}`);
  for (const step of [1, 2]) await study.report(asked.number, asked.claim, step, [loss + 1 / step]);
  await study.tell(asked.number, asked.claim, { kind: 'complete', values: [loss] });
  await say(`told ${asked.number}`);
}
