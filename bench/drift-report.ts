/**
 * Cost of a drift report over 30 columns (20 numeric, 10 categorical), each case in a process of its own.
 *
 * cold   driftReport(baseline, current)
 * warm   the same with a prepared baseline, as a monitor keeps it
 * naive  KS, Wasserstein and decile PSI each sorting for itself with the engine's sort, chi-square per category text:
 *        what a side-by-side of the same statistics costs without shared work; the named limit
 *
 * node --conditions=source bench/drift-report.ts [--rows 100000,1000000]
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import {
  type Column,
  chiSquareContingency,
  createRng,
  driftReport,
  prepareBaseline,
  psi,
  type Rng,
  type Table,
} from '@holdfast/stats';

const { values: flags } = parseArgs({
  options: { rows: { type: 'string', default: '100000,1000000' }, case: { type: 'string' } },
});

type Case = 'cold' | 'warm' | 'naive';
const cases: readonly Case[] = ['cold', 'warm', 'naive'];

interface Measured {
  readonly cpuSeconds: number;
  readonly wallSeconds: number;
  readonly peakMegabytes: number;
  readonly dataMegabytes: number;
}

function makeTable(rng: Rng, rows: number): Table {
  const table = new Map<string, Column>();
  for (let c = 0; c < 20; c++) {
    const values = new Float64Array(rows);
    for (let i = 0; i < rows; i++) values[i] = c % 3 === 0 ? Math.exp(rng.normal()) : rng.normal();
    table.set(`amount_${c}`, { kind: 'numeric', values });
  }
  for (let c = 0; c < 10; c++) {
    const categories = Array.from({ length: 3 + 5 * c }, (_, i) => `category ${i}`);
    const codes = new Uint8Array(rows);
    for (let i = 0; i < rows; i++) codes[i] = rng.int(categories.length);
    table.set(`kind_${c}`, { kind: 'categorical', codes, categories });
  }
  return table;
}

/** Each statistic sorts for itself. Returns a checksum so that nothing can be optimised away. */
function naiveReport(baseline: Table, current: Table): number {
  let checksum = 0;
  for (const [name, before] of baseline) {
    const after = current.get(name)!;
    if (before.kind === 'numeric' && after.kind === 'numeric') {
      checksum += naiveKs(before.values, after.values);
      checksum += naiveWasserstein(before.values, after.values);
      checksum += naivePsi(before.values, after.values);
    } else if (before.kind === 'categorical' && after.kind === 'categorical') {
      const counts = [before, after].map(({ codes, categories }) => {
        const byName = new Map(categories.map(category => [category, 0]));
        for (let i = 0; i < codes.length; i++) {
          const category = categories[codes[i]!]!;
          byName.set(category, byName.get(category)! + 1);
        }
        return [...byName.values()];
      });
      checksum += chiSquareContingency(counts).statistic;
    }
  }
  return checksum;
}

const engineSort = (values: ArrayLike<number>): Float64Array => Float64Array.from(values).sort();

function upTo(sorted: Float64Array, x: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! <= x) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** As SciPy does it: both distribution functions searched at every pooled value. */
function naiveKs(x: ArrayLike<number>, y: ArrayLike<number>): number {
  const [a, b] = [engineSort(x), engineSort(y)];
  let largest = 0;
  for (const sample of [a, b]) {
    for (const value of sample) {
      largest = Math.max(largest, Math.abs(upTo(a, value) / a.length - upTo(b, value) / b.length));
    }
  }
  return largest;
}

function naiveWasserstein(x: ArrayLike<number>, y: ArrayLike<number>): number {
  const [a, b] = [engineSort(x), engineSort(y)];
  const all = new Float64Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  all.sort();
  let sum = 0;
  for (let i = 1; i < all.length; i++) {
    const at = all[i - 1]!;
    sum += Math.abs(upTo(a, at) / a.length - upTo(b, at) / b.length) * (all[i]! - at);
  }
  return sum;
}

function naivePsi(x: ArrayLike<number>, y: ArrayLike<number>): number {
  const a = engineSort(x);
  const edges = Array.from({ length: 9 }, (_, i) => a[Math.floor(((i + 1) * a.length) / 10)]!);
  const count = (values: ArrayLike<number>): number[] => {
    const counts = new Array<number>(10).fill(0);
    for (let i = 0; i < values.length; i++) {
      const bin = edges.findIndex(edge => values[i]! <= edge);
      const at = bin < 0 ? 9 : bin;
      counts[at] = counts[at]! + 1;
    }
    return counts;
  };
  return psi(count(x), count(y));
}

function measure(which: Case, rows: number): Measured {
  const rng = createRng(1);
  const baseline = makeTable(rng, rows);
  const current = makeTable(rng, rows);
  const dataMegabytes = process.memoryUsage.rss() / 1e6;
  const prepared = which === 'warm' ? prepareBaseline(baseline) : undefined;
  const cpu = process.cpuUsage();
  const start = process.hrtime.bigint();
  if (which === 'naive') naiveReport(baseline, current);
  else driftReport(prepared ?? baseline, current);
  const { user, system } = process.cpuUsage(cpu);
  return {
    cpuSeconds: (user + system) / 1e6,
    wallSeconds: Number(process.hrtime.bigint() - start) / 1e9,
    peakMegabytes: process.resourceUsage().maxRSS / 1e3,
    dataMegabytes,
  };
}

function inChild(which: Case, rows: number): Measured {
  const child = spawnSync(
    process.execPath,
    ['--conditions=source', fileURLToPath(import.meta.url), '--case', which, '--rows', String(rows)],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
  );
  if (child.status !== 0) throw new Error(`The ${which} case with ${rows} rows ended with status ${child.status}.`);
  const [cpuSeconds, wallSeconds, peakMegabytes, dataMegabytes] = child.stdout.trim().split(' ').map(Number);
  return {
    cpuSeconds: cpuSeconds!,
    wallSeconds: wallSeconds!,
    peakMegabytes: peakMegabytes!,
    dataMegabytes: dataMegabytes!,
  };
}

const bars: ReadonlyMap<number, { readonly cpuSeconds: number; readonly peakMegabytes: number }> = new Map([
  [100_000, { cpuSeconds: 1, peakMegabytes: 200 }],
  [1_000_000, { cpuSeconds: 10, peakMegabytes: 750 }],
]);

const peers: ReadonlyMap<number, string> = new Map([
  [100_000, 'Evidently 14.1-15.0 s CPU, 403 MB; alibi-detect 0.77 s, 471 MB'],
  [1_000_000, 'Evidently 224 s CPU, 1,969 MB; alibi-detect 10.95 s, 1,243 MB'],
]);

function main(): void {
  const failures: string[] = [];
  for (const rows of flags.rows.split(',').map(Number)) {
    console.log(`${rows.toLocaleString('en-US')} x 30 against the same`);
    for (const which of cases) {
      const { cpuSeconds, wallSeconds, peakMegabytes, dataMegabytes } = inChild(which, rows);
      console.log(
        `  ${which.padEnd(6)}${cpuSeconds.toFixed(2).padStart(8)} s CPU${wallSeconds.toFixed(2).padStart(8)} s wall` +
          `${peakMegabytes.toFixed(0).padStart(8)} MB peak (data and engine alone ${dataMegabytes.toFixed(0)} MB)`,
      );
      const bar = bars.get(rows);
      if (which === 'naive' || !bar) continue;
      if (cpuSeconds > bar.cpuSeconds) failures.push(`${which} ${rows}: more than ${bar.cpuSeconds} s CPU`);
      if (which === 'cold' && peakMegabytes > bar.peakMegabytes)
        failures.push(`${rows}: more than ${bar.peakMegabytes} MB`);
    }
    if (peers.has(rows)) console.log(`  peers, measured on the same kind of machine: ${peers.get(rows)}`);
  }
  for (const failure of failures) console.log(`ABOVE THE BAR: ${failure}`);
  process.exitCode = failures.length === 0 ? 0 : 1;
}

const one = cases.find(which => which === flags.case);
if (one) {
  const { cpuSeconds, wallSeconds, peakMegabytes, dataMegabytes } = measure(one, Number(flags.rows));
  console.log([cpuSeconds, wallSeconds, peakMegabytes, dataMegabytes].join(' '));
} else {
  main();
}
