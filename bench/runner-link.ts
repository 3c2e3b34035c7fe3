// What one run costs over the socket to a runner process, against calling the session in the same process.
// Prints CPU microseconds per run: gateway side, runner side, bare session; rounds are interleaved, medians are shown.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Tensor } from '@holdfast/api';
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { pino } from 'pino';
import { fixtureTarget } from '../packages/holdfast/src/runtime/fixtures/targets.ts';
import { connectRunner, type RunnerTarget, startRunnerPool } from '../packages/holdfast/src/runtime/index.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    runs: { type: 'string', default: '2000' },
    json: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
const runs = Number(values.runs);
/** Linux counts the CPU time of other processes in ticks of 10 ms. */
const tickUs = 10_000;

const flightModel = join(import.meta.dirname, '../examples/flight-delay/model.onnx');
const flightNumbers = ['hour', 'weekday', 'distance', 'origin_delay', 'destination_delay', 'origin_traffic'];

function flightTarget(): RunnerTarget {
  const column = (name: string, datatype: 'FP32' | 'BYTES') => ({ name, datatype, shape: [-1, 1], optional: false });
  return {
    ...fixtureTarget('mlp-30-64-1'),
    model: 'flight-delay',
    modelPath: flightModel,
    signature: {
      inputs: [
        ...flightNumbers.map(name => column(name, 'FP32')),
        column('origin', 'BYTES'),
        column('destination', 'BYTES'),
      ],
      outputs: [],
      columns: [],
      task: { kind: 'none' },
    },
  };
}

function inputsOf(target: RunnerTarget, batch: number): Tensor[] {
  return target.signature.inputs.map(({ name, datatype, shape }) => {
    const dims = [batch, ...shape.slice(1)];
    const count = dims.reduce((product, dim) => product * dim, 1);
    const data =
      datatype === 'BYTES'
        ? Array.from({ length: count }, (_, i) => ['ORD', 'ATL', 'JFK'][i % 3]!)
        : Float32Array.from({ length: count }, (_, i) => (i % 13) / 13);
    return { name, datatype, shape: dims, data };
  });
}

function feedsOf(inputs: readonly Tensor[]): Record<string, OrtTensor> {
  const feeds: Record<string, OrtTensor> = {};
  for (const { name, data, shape } of inputs) {
    if (data instanceof Float32Array) feeds[name] = new OrtTensor('float32', data, shape);
    else if (Array.isArray(data)) feeds[name] = new OrtTensor('string', data, shape);
  }
  return feeds;
}

function cpuUsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) * tickUs;
}

function ownCpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

function median(samples: readonly number[]): number {
  return [...samples].sort((a, b) => a - b)[samples.length >> 1]!;
}

interface Row {
  readonly model: string;
  readonly batch: number;
  readonly gatewayUs: number;
  readonly runnerUs: number;
  readonly bareUs: number;
  readonly wallUs: number;
  readonly bareWallUs: number;
}

async function measure(target: RunnerTarget, folder: string): Promise<Row[]> {
  await using pool = startRunnerPool({ runDirectory: folder, log: pino({ level: 'silent' }) });
  const [socketPath] = await pool.start(target, 1);
  await using runner = await connectRunner(socketPath!, { model: target.model, hangTimeoutMs: 10_000 });
  const { pid } = pool.processes()[0]!;
  const session = await InferenceSession.create(readFileSync(target.modelPath), {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
  });
  const rows: Row[] = [];
  for (const batch of [1, 8, 32, 128]) {
    const inputs = inputsOf(target, batch);
    const feeds = feedsOf(inputs);
    const overLink = async (): Promise<void> => {
      for (let i = 0; i < runs; i++) await runner.run(inputs);
    };
    const bare = async (): Promise<void> => {
      for (let i = 0; i < runs; i++) await session.run(feeds);
    };
    await overLink();
    await bare();
    const samples: { gatewayUs: number; runnerUs: number; bareUs: number; wallUs: number; bareWallUs: number }[] = [];
    for (let round = 0; round < rounds; round++) {
      const [own, theirs, start] = [ownCpuUs(), cpuUsOf(pid), performance.now()];
      await overLink();
      const [ownAfter, theirsAfter, middle] = [ownCpuUs(), cpuUsOf(pid), performance.now()];
      await bare();
      samples.push({
        gatewayUs: (ownAfter - own) / runs,
        runnerUs: (theirsAfter - theirs) / runs,
        bareUs: (ownCpuUs() - ownAfter) / runs,
        wallUs: ((middle - start) * 1000) / runs,
        bareWallUs: ((performance.now() - middle) * 1000) / runs,
      });
    }
    const of = (key: keyof (typeof samples)[number]): number => median(samples.map(sample => sample[key]));
    rows.push({
      model: target.model,
      batch,
      gatewayUs: of('gatewayUs'),
      runnerUs: of('runnerUs'),
      bareUs: of('bareUs'),
      wallUs: of('wallUs'),
      bareWallUs: of('bareWallUs'),
    });
  }
  await session.release();
  return rows;
}

const folder = mkdtempSync(join(tmpdir(), 'holdfast-bench-'));
try {
  const targets = [fixtureTarget('mlp-30-64-1'), ...(existsSync(flightModel) ? [flightTarget()] : [])];
  const rows: Row[] = [];
  for (const target of targets) rows.push(...(await measure(target, folder)));
  if (values.json) console.log(JSON.stringify(rows));
  else {
    console.log('CPU us per run; ratio = (gateway + runner) / bare session.run in one process');
    console.table(
      rows.map(row => ({
        model: row.model,
        batch: row.batch,
        gateway: row.gatewayUs.toFixed(1),
        runner: row.runnerUs.toFixed(1),
        bare: row.bareUs.toFixed(1),
        ratio: ((row.gatewayUs + row.runnerUs) / row.bareUs).toFixed(2),
        'wall us': row.wallUs.toFixed(0),
        'bare wall us': row.bareWallUs.toFixed(0),
      })),
    );
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
