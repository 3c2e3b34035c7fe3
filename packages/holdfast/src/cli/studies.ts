import { writeFile } from 'node:fs/promises';
import type { StudyDetail, StudySummary, Trial } from '@holdfast/api';
import { describeFinish, type Studies } from '../tuning/index.ts';
import {
  type Command,
  exitCodes,
  flag,
  jsonHelp,
  jsonOption,
  type Parsed,
  type Terminal,
  text,
  UsageError,
} from './command.ts';
import { formatTime, renderTable } from './table.ts';
import { describeBest } from './tune.ts';
import { formatValue } from './tune-progress.ts';
import { openStudies, tuningHelp, tuningOptions } from './tuning-connection.ts';

function bestText(summary: StudySummary): string {
  if (summary.best === null) return summary.frontSize > 0 ? `front of ${summary.frontSize}` : '-';
  return `${summary.objectives[0]?.name ?? 'value'} ${formatValue(summary.best.value)} (trial ${summary.best.number})`;
}

function renderStudies(studies: readonly StudySummary[]): string {
  if (studies.length === 0) return 'No studies yet: holdfast tune holdfast.tune.yaml\n';
  return renderTable(
    ['STUDY', 'STATE', 'COMPLETE', 'PRUNED', 'FAILED', 'RUNNING', 'BEST', 'CHANGED'],
    studies.map(study => [
      study.name,
      study.state,
      String(study.counts.complete),
      String(study.counts.pruned),
      String(study.counts.failed),
      String(study.counts.running),
      bestText(study),
      formatTime(study.changedAtMs),
    ]),
  );
}

function renderTrials(detail: StudyDetail, trials: readonly Trial[]): string {
  const objectives = detail.summary.objectives.map(objective => objective.name);
  const names = [...new Set(trials.flatMap(trial => Object.keys(trial.params)))];
  return renderTable(
    ['TRIAL', 'STATE', ...objectives.map(name => name.toUpperCase()), ...names, 'WHY'],
    trials.map(trial => [
      String(trial.number),
      trial.state,
      ...objectives.map((_, i) => {
        const value = trial.values?.[i] ?? trial.reports.at(-1)?.values[i];
        return value === undefined ? '-' : formatValue(value);
      }),
      ...names.map(name => {
        const value = trial.params[name];
        return value === undefined ? '-' : typeof value === 'number' ? formatValue(value) : String(value);
      }),
      trial.reason ?? '',
    ]),
  );
}

function csvCell(value: unknown): string {
  const text = value === undefined ? '' : String(value);
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Trials as CSV: number, state, objectives, parameters, cost, times. */
function csvOf(detail: StudyDetail, trials: readonly Trial[]): string {
  const objectives = detail.summary.objectives.map(objective => objective.name);
  const names = [...new Set(trials.flatMap(trial => Object.keys(trial.params)))];
  const header = [
    'trial',
    'state',
    ...objectives,
    ...names.map(name => `param.${name}`),
    'cost',
    'started',
    'finished',
    'reason',
  ];
  const time = (ms: number | undefined): string | undefined =>
    ms === undefined ? undefined : new Date(ms).toISOString();
  const rows = trials.map(trial => [
    trial.number,
    trial.state,
    ...objectives.map((_, i) => trial.values?.[i]),
    ...names.map(name => trial.params[name]),
    trial.cost,
    time(trial.startedAtMs),
    time(trial.finishedAtMs),
    trial.reason,
  ]);
  return [header, ...rows]
    .map(row => row.map(csvCell).join(','))
    .join('\n')
    .concat('\n');
}

async function show(studies: Studies, name: string, parsed: Parsed, terminal: Terminal): Promise<void> {
  const detail = await studies.read(name);
  const { trials } = await studies.trials(name, 0);
  if (flag(parsed, 'json')) {
    terminal.stdout(`${JSON.stringify({ ...detail, trials })}\n`);
    return;
  }
  const { summary, note, settings } = detail;
  const objectives = summary.objectives.map(({ name, direction }) => `${direction} ${name}`).join(', ');
  terminal.stdout(
    `${summary.name}: ${summary.state}${summary.finishedBecause === null ? '' : `, ${describeFinish(summary.finishedBecause)}`}\n`,
  );
  terminal.stdout(
    `${objectives}; sampler ${summary.sampler}, pruner ${summary.pruner}, seed ${settings.seed}\n${note}\n\n`,
  );
  terminal.stdout(`${await describeBest(studies, detail)}\n${renderTrials(detail, trials)}\n`);
  for (const event of detail.events.slice(0, 10))
    terminal.stdout(
      `${formatTime(event.atMs)}  ${event.trial === null ? '' : `trial ${event.trial}: `}${event.text}\n`,
    );
}

async function exportTo(studies: Studies, name: string, parsed: Parsed, terminal: Terminal): Promise<void> {
  const detail = await studies.read(name);
  const { trials } = await studies.trials(name, 0);
  const out = text(parsed, 'out');
  const format = text(parsed, 'format') ?? 'json';
  if (format !== 'json' && format !== 'csv') throw new UsageError(`--format is json or csv, not "${format}"`);
  const content = format === 'csv' ? csvOf(detail, trials) : `${JSON.stringify({ ...detail, trials }, null, 2)}\n`;
  if (out === undefined) {
    terminal.stdout(content);
    return;
  }
  await writeFile(out, content);
  terminal.stdout(
    flag(parsed, 'json')
      ? `${JSON.stringify({ written: out, trials: trials.length })}\n`
      : `${trials.length} trials written to ${out}\n`,
  );
}

async function best(studies: Studies, name: string, parsed: Parsed, terminal: Terminal): Promise<void> {
  const detail = await studies.read(name);
  if (!flag(parsed, 'json')) {
    terminal.stdout(await describeBest(studies, detail));
    return;
  }
  const { trials } = await studies.trials(name, 0);
  terminal.stdout(`${JSON.stringify(trials.filter(trial => detail.best.includes(trial.number)))}\n`);
}

const methods = ['ped-anova', 'fanova', 'permutation'] as const;

async function importances(studies: Studies, name: string, parsed: Parsed, terminal: Terminal): Promise<void> {
  const wanted = text(parsed, 'method') ?? 'ped-anova';
  const method = methods.find(known => known === wanted);
  if (method === undefined) throw new UsageError(`--method is one of ${methods.join(', ')}, not "${wanted}"`);
  const { objectives } = (await studies.read(name)).summary;
  const named = text(parsed, 'objective') ?? objectives[0]?.name;
  const objective = objectives.findIndex(each => each.name === named);
  if (objective < 0)
    throw new UsageError(`--objective is one of ${objectives.map(each => each.name).join(', ')}, not "${named}"`);
  const answer = await studies.importances(name, { method, objective });
  if (flag(parsed, 'json')) {
    terminal.stdout(`${JSON.stringify(answer)}\n`);
    return;
  }
  const rows = answer.importances.map(({ parameter, share }) => [parameter, `${(share * 100).toFixed(1)} %`]);
  terminal.stdout(`${answer.objective}, ${method}, from ${answer.trials} trials\n`);
  terminal.stdout(renderTable(['PARAMETER', 'SHARE'], rows));
}

async function remove(studies: Studies, name: string, parsed: Parsed, terminal: Terminal): Promise<void> {
  await studies.remove(name);
  terminal.stdout(flag(parsed, 'json') ? `${JSON.stringify({ removed: name })}\n` : `removed ${name}\n`);
}

const verbs = { show, best, importances, export: exportTo, remove } as const;

function isVerb(word: string): word is keyof typeof verbs {
  return Object.hasOwn(verbs, word);
}

export const studiesCommand: Command = {
  usage: 'studies [show|best|importances|export|remove STUDY] [options]',
  options: {
    ...tuningOptions,
    ...jsonOption,
    format: { type: 'string' },
    out: { type: 'string' },
    method: { type: 'string' },
    objective: { type: 'string' },
  },
  optionHelp: [
    ['show STUDY', 'settings, best trial, every trial, history'],
    ['best STUDY', 'the best trial, or the Pareto front, with its parameters'],
    ['importances STUDY', 'how much each parameter matters'],
    ['--method M', 'of the importances: ped-anova (default), fanova or permutation'],
    ['--objective NAME', 'of the importances: the objective (default: the first)'],
    ['export STUDY', 'every trial with its reports'],
    ['remove STUDY', 'remove the study with its trials; the files of its trials stay'],
    ['--format F', 'of the export: json (default) or csv'],
    ['--out FILE', 'file for the export (default stdout)'],
    ...tuningHelp,
    jsonHelp,
  ],
  run: async (parsed, terminal) => {
    const [verb, name, ...more] = parsed.positionals;
    await using opened = await openStudies(parsed, terminal, verb === undefined);
    const { studies } = opened;
    if (verb === undefined) {
      const list = await studies.list();
      terminal.stdout(flag(parsed, 'json') ? `${JSON.stringify(list)}\n` : renderStudies(list));
      return exitCodes.ok;
    }
    if (!isVerb(verb) || name === undefined || more.length > 0)
      throw new UsageError(`expected: ${Object.keys(verbs).join('|')} STUDY`);
    await verbs[verb](studies, name, parsed, terminal);
    return exitCodes.ok;
  },
};
