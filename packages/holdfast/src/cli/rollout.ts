import {
  parseModelName,
  parsePlan,
  type Rollout,
  type RolloutDetail,
  rolloutActionSchema,
  type StartRollout,
} from '@holdfast/api';
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
  wholeNumber,
} from './command.ts';
import { connect, connectionHelp, connectionOptions } from './connection.ts';
import { formatTime, renderTable } from './table.ts';

/** One line: where a rollout stands. */
export function rolloutLine(rollout: Rollout): string {
  const { model, id, champion, challenger, phase, pausedFor, step, steps, percent } = rollout;
  const paused = pausedFor === null ? '' : ` (${pausedFor})`;
  return `${model} rollout ${id}: version ${champion} -> ${challenger}, ${phase}${paused}, step ${step + 1} of ${steps.length}, ${percent} % of the requests\n`;
}

function bound(value: number | null): string {
  return value === null ? '?' : String(Number(value.toPrecision(3)));
}

function describe({ rollout, events }: RolloutDetail): string {
  const lines = [rolloutLine(rollout), `plan: ${rollout.plan}\n`];
  if (rollout.decision !== null) {
    const rows = rollout.decision.checks.map(check => [
      check.check,
      check.mode,
      check.outcome,
      bound(check.effect),
      `${bound(check.low)} .. ${bound(check.high)}`,
      bound(check.margin),
      `${check.challengerRows} / ${check.championRows}`,
    ]);
    const header = ['CHECK', 'MODE', 'OUTCOME', 'EFFECT', 'BOUNDS', 'MARGIN', 'ROWS'];
    lines.push(`${rollout.decision.kind}: ${rollout.decision.sentence}\n`, renderTable(header, rows));
  }
  const history = events.map(({ atMs, phase, percent, actor, reason }) => [
    formatTime(atMs),
    phase,
    `${percent} %`,
    actor,
    reason,
  ]);
  lines.push(renderTable(['TIME', 'PHASE', 'SHARE', 'BY', 'WHY'], history));
  return lines.join('');
}

/** A plan from the command line, checked before anything is uploaded. */
export function planOf(parsed: Parsed, option: string): string | undefined {
  const plan = text(parsed, option);
  if (plan === undefined) return undefined;
  const steps = parsePlan(plan);
  if (typeof steps === 'string') throw new UsageError(`--${option}: ${steps}`);
  return plan;
}

const verbs = ['start', 'status', 'promote', 'pause', 'resume', 'abort'] as const;

export const rolloutCommand: Command = {
  usage: 'rollout start|status|promote|pause|resume|abort NAME [options]',
  options: {
    ...connectionOptions,
    ...jsonOption,
    version: { type: 'string' },
    plan: { type: 'string' },
    'blue-green': { type: 'boolean' },
    manual: { type: 'boolean' },
    supersede: { type: 'boolean' },
    reason: { type: 'string' },
  },
  optionHelp: [
    ['--version N', 'start: the version to roll out'],
    ['--plan PLAN', 'start: such as "shadow 10m -> 5% 10m -> 25% 30m -> 100%" (default: the configured plan)'],
    ['--blue-green', 'start: the plan "0% pause -> 100%": testers only, then all at once when you resume'],
    ['--manual', 'start: show verdicts, but let a person end every step'],
    ['--supersede', 'start: end the rollout that is under way'],
    ['--reason TEXT', 'why, for the history'],
    ...connectionHelp,
    jsonHelp,
  ],
  run: async (parsed, terminal) => {
    const [verb, name, ...more] = parsed.positionals;
    const known = verbs.find(one => one === verb);
    if (known === undefined) throw new UsageError(`say one of ${verbs.join(', ')}`);
    if (name === undefined || more.length > 0) throw new UsageError('name one model');
    const model = parseModelName(name);
    if (known === 'status') return showStatus(parsed, terminal, model);
    const client = connect(parsed, terminal);
    const reason = text(parsed, 'reason') ?? '';
    const rollout =
      known === 'start'
        ? await client.call('startRollout', { params: { model }, body: startRequest(parsed, reason) })
        : await client.call('actOnRollout', {
            params: { model },
            body: { action: rolloutActionSchema.parse(known), reason },
          });
    terminal.stdout(flag(parsed, 'json') ? `${JSON.stringify(rollout)}\n` : rolloutLine(rollout));
    return rollout.phase === 'failed' ? exitCodes.failed : exitCodes.ok;
  },
};

function startRequest(parsed: Parsed, reason: string): StartRollout {
  const version = wholeNumber(parsed, 'version', 1, 2_147_483_647);
  if (version === undefined) throw new UsageError('start needs --version N');
  const plan = flag(parsed, 'blue-green') ? '0% pause -> 100%' : planOf(parsed, 'plan');
  return {
    version,
    reason,
    supersede: flag(parsed, 'supersede'),
    ...(plan !== undefined && { plan }),
    ...(flag(parsed, 'manual') && { judge: { decide: 'manual' } }),
  };
}

async function showStatus(parsed: Parsed, terminal: Terminal, model: ReturnType<typeof parseModelName>) {
  const client = connect(parsed, terminal);
  const [latest] = await client.call('listRollouts', { params: { model } });
  if (latest === undefined) {
    terminal.stdout(flag(parsed, 'json') ? 'null\n' : `${model} has had no rollout\n`);
    return exitCodes.ok;
  }
  const detail = await client.call('readRollout', { params: { model, rollout: latest.id } });
  terminal.stdout(flag(parsed, 'json') ? `${JSON.stringify(detail)}\n` : describe(detail));
  return exitCodes.ok;
}
