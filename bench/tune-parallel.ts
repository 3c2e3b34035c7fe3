/**
 * What several trials at once cost: regret with one worker and with eight that ask and tell out of order, of our samplers
 * and of the Optuna of Debian (python3-optuna, with its constant liar), in one run with the same seeds and durations.
 *
 *   npm run bench -- tune-parallel [--samplers auto,tpe] [--peers tpe,group] [--problems branin2,...] [--trials 50]
 *     [--seeds 10] [--workers 8] [--python /usr/bin/python3]
 *
 * The penalty is the growth of the median regret, in units of random search's serial median, so that problems can be put
 * together; who is near random search already has little to lose. Exit code 1 when `auto` with the workers is above the
 * best peer with one worker in more than a fifth of the problems, or the mean penalty of `tpe`, which draws parameters
 * together, is above that of Optuna's `group`, which does so too.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { auto, cmaEs, gp, random, type Sampler, tpe } from '@holdfast/tune';
import { z } from 'zod';
import {
  loadProblems,
  option,
  type Problem,
  problemOf,
  quantile,
  regretOf,
  type Searcher,
  studyOf,
} from './tune-harness.ts';

const ours: Readonly<Record<string, () => Sampler>> = {
  auto: () => auto(),
  tpe: () => tpe(),
  group: () => tpe({ mode: 'group' }),
  gp: () => gp(),
  cmaes: () => cmaEs(),
  random: () => random(),
};

const module = await loadProblems();
const problems = option(
  'problems',
  [...module.SYNTH, ...module.TABLES.filter(t => t !== 'pipeline_digits')].join(','),
).split(',');
const samplers = option('samplers', 'auto,tpe').split(',');
const peers = option('peers', 'tpe,group').split(',');
const trials = Number(option('trials', '50'));
const seeds = Number(option('seeds', '10'));
const workers = Number(option('workers', '8'));

const proposalSchema = z.object({
  number: z.number(),
  params: z.record(z.string(), z.union([z.number(), z.string(), z.boolean()])),
});

/** Optuna in a process of its own, for one study after the other. */
class Optuna implements Disposable {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #answers: AsyncIterator<string>;

  constructor(python: string) {
    const script = fileURLToPath(new URL('./peers/optuna_search.py', import.meta.url));
    this.#child = spawn(python, [script], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#answers = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async #call(request: object): Promise<unknown> {
    this.#child.stdin.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await this.#answers.next();
    if (done) throw new Error('Optuna ended; is python3-optuna installed? (apt-get install python3-optuna)');
    return JSON.parse(value);
  }

  async study(problem: Problem, sampler: string, seed: number, atOnce: number): Promise<Searcher> {
    await this.#call({ new: { space: problem.space, sampler, seed, workers: atOnce } });
    return {
      ask: async () => {
        const { number, params } = proposalSchema.parse(await this.#call({ ask: true }));
        return { number, flat: params };
      },
      tell: async (number, value) => {
        await this.#call({ tell: [number, value] });
      },
    };
  }

  [Symbol.dispose](): void {
    this.#child.kill();
  }
}

using optuna = new Optuna(option('python', '/usr/bin/python3'));

async function medianOf(
  problem: Problem,
  search: (seed: number, atOnce: number) => Promise<Searcher> | Searcher,
  atOnce: number,
): Promise<number> {
  const regrets: number[] = [];
  for (let seed = 1000; seed < 1000 + seeds; seed++)
    regrets.push(await regretOf(problem, await search(seed, atOnce), { seed, trials, workers: atOnce }));
  return quantile(regrets, 0.5);
}

const rows: {
  readonly problem: string;
  readonly system: string;
  readonly serial: number;
  readonly parallel: number;
  readonly penalty: number;
}[] = [];
console.log(
  `problem            system          1 worker   ${workers} workers  penalty (of random search's regret), ${trials} trials, ${seeds} seeds`,
);
for (const name of problems) {
  const problem = problemOf(module, name);
  const systems: readonly (readonly [string, (seed: number, atOnce: number) => Promise<Searcher> | Searcher])[] = [
    ...samplers.map(s => [s, (seed: number) => studyOf(problem, ours[s]!(), seed, trials)] as const),
    ...peers.map(
      p => [`optuna ${p}`, (seed: number, atOnce: number) => optuna.study(problem, p, seed, atOnce)] as const,
    ),
  ];
  const scale = await medianOf(problem, seed => studyOf(problem, random(), seed, trials), 1);
  for (const [system, search] of systems) {
    const serial = await medianOf(problem, search, 1);
    const parallel = await medianOf(problem, search, workers);
    const penalty = (parallel - serial) / Math.max(scale, 1e-12);
    rows.push({ problem: name, system, serial, parallel, penalty });
    console.log(
      `${name.padEnd(18)} ${system.padEnd(15)} ${serial.toPrecision(3).padEnd(10)} ${parallel.toPrecision(3).padEnd(10)} ${penalty.toFixed(3)}`,
    );
  }
}

const meanPenalty = (system: string): number => {
  const own = rows.filter(r => r.system === system);
  return own.reduce((sum, r) => sum + r.penalty, 0) / own.length;
};
const systems = [...new Set(rows.map(r => r.system))];
for (const system of systems) console.log(`${system}: mean penalty ${meanPenalty(system).toFixed(3)}`);
const serialPeer = (problem: string): number =>
  Math.min(...rows.filter(r => r.problem === problem && r.system.startsWith('optuna')).map(r => r.serial));
const below = rows.filter(r => r.system === 'auto' && r.parallel <= serialPeer(r.problem) + 1e-6).length;
if (samplers.includes('auto'))
  console.log(
    `auto with ${workers} workers: at or below the best peer with one in ${below} of ${problems.length} problems`,
  );
const isFarFrom = samplers.includes('auto') && below < 0.8 * problems.length;
if (isFarFrom || meanPenalty('tpe') > meanPenalty('optuna group')) process.exitCode = 1;
