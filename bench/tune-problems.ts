/**
 * Simple regret of our samplers on the problems of the specification, beside the best peer of each cell.
 *
 *   npm run bench -- tune-problems [--samplers auto,tpe] [--problems branin2,...] [--seeds 3] [--trials 50,200] [--shift 0]
 *
 * The default (auto, 3 seeds, 50 trials) takes about a minute; the full table is --seeds 30 --trials 50,200.
 */
import { auto, cmaEs, gp, random, type Sampler, tpe } from '@holdfast/tune';
import { cpuMs, loadProblems, option, peersOf, problemOf, quantile, regrets } from './tune-harness.ts';

const makers: Readonly<Record<string, () => Sampler>> = {
  auto: () => auto(),
  gp: () => gp(),
  tpe: () => tpe(),
  univariate: () => tpe({ mode: 'univariate' }),
  group: () => tpe({ mode: 'group' }),
  cmaes: () => cmaEs(),
  random: () => random(),
};

const module = await loadProblems();
const all = [...module.SYNTH, ...module.TABLES.filter(t => t !== 'pipeline_digits')];
const problems = option('problems', all.join(',')).split(',');
const samplers = option('samplers', 'auto').split(',');
const seeds = Number(option('seeds', '3'));
const trials = option('trials', '50').split(',').map(Number);
const shift = Number(option('shift', '0'));
/** Regrets below this are rounding of the stored optimum. */
const floor = 1e-6;

let cells = 0;
let won = 0;
let withinTwice = 0;
console.log(
  'problem            trials sampler     median [q25, q75]               best peer                      CPU ms a trial',
);
for (const name of problems)
  for (const sampler of samplers) {
    const make = makers[sampler];
    if (!make) throw new Error(`Unknown sampler ${sampler}; choose from ${Object.keys(makers).join(', ')}.`);
    const started = cpuMs();
    const runs = Array.from({ length: seeds }, (_, s) =>
      regrets(problemOf(module, name, shift), make(), 1000 + s, trials),
    );
    const cost = (cpuMs() - started) / seeds / trials.at(-1)!;
    for (const [k, n] of trials.entries()) {
      const column = runs.map(r => r[k]!);
      const [median, low, high] = [0.5, 0.25, 0.75].map(q => quantile(column, q));
      const peer = peersOf(name, n)[0];
      if (peer) {
        cells++;
        if (median! <= peer.median + floor * Number(module.TABLES.includes(name))) won++;
        if (median! <= 2 * peer.median + floor) withinTwice++;
      }
      const ours = `${median!.toPrecision(3)} [${low!.toPrecision(2)}, ${high!.toPrecision(2)}]`;
      const theirs = peer ? `${peer.median.toPrecision(3)} ${peer.system}` : '-';
      console.log(
        `${name.padEnd(18)} ${String(n).padStart(6)} ${sampler.padEnd(11)} ${ours.padEnd(31)} ${theirs.padEnd(30)} ${cost.toFixed(1)}`,
      );
    }
  }
console.log(`At or below the best peer in ${won} of ${cells} cells; within twice (or 1e-6) of it in ${withinTwice}.`);
