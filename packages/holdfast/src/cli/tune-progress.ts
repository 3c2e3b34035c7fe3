import type { StudyDetail } from '@holdfast/api';
import type { StudyProgress, TrialEnd } from '../tuning/index.ts';
import type { Terminal } from './command.ts';

interface Running {
  readonly startedAtMs: number;
  step: number | undefined;
  values: readonly number[];
}

const redrawMs = 100;

export function formatValue(value: number): string {
  return Number.isFinite(value) ? String(Number(value.toPrecision(5))) : String(value);
}

function describe(params: Readonly<Record<string, unknown>>): string {
  const text = Object.entries(params)
    .map(([name, value]) => `${name}=${typeof value === 'number' ? formatValue(value) : String(value)}`)
    .join(' ');
  return text.length > 100 ? `${text.slice(0, 97)}...` : text;
}

/** Whose training a trial of a population goes on with. */
function beginningOf({ startFrom }: Extract<StudyProgress, { kind: 'started' }>['trial']): string {
  return startFrom === undefined ? '' : `, from trial ${startFrom.trial} at step ${startFrom.step}`;
}

/**
 * Shows a study while it runs, on stderr: one line a finished trial, and on a terminal a block below that is drawn anew
 * with the trials under way.
 */
export class TuneProgress implements Disposable {
  readonly #terminal: Terminal;
  readonly #objectives: StudyDetail['summary']['objectives'];
  readonly #planned: number | undefined;
  readonly #running = new Map<number, Running>();
  readonly #params = new Map<number, string>();
  readonly #timer: NodeJS.Timeout | undefined;
  #finished: number;
  #best: { readonly number: number; readonly value: number } | undefined;
  #drawnLines = 0;

  constructor(terminal: Terminal, { summary }: StudyDetail) {
    const { counts, objectives, budget, best } = summary;
    this.#terminal = terminal;
    this.#objectives = objectives;
    this.#planned = budget.trials;
    this.#finished = counts.complete + counts.pruned + counts.failed;
    this.#best = best ?? undefined;
    if (terminal.isErrorInteractive) this.#timer = setInterval(() => this.#draw(), redrawMs);
  }

  hear(progress: StudyProgress): void {
    switch (progress.kind) {
      case 'started':
        this.#running.set(progress.trial.number, { startedAtMs: Date.now(), step: undefined, values: [] });
        this.#params.set(progress.trial.number, `${describe(progress.trial.flat)}${beginningOf(progress.trial)}`);
        return;
      case 'step': {
        const running = this.#running.get(progress.number);
        if (running === undefined) return;
        running.step = progress.step;
        running.values = progress.values;
        return;
      }
      case 'ended':
        this.#end(progress);
        return;
      default:
        progress satisfies never;
    }
  }

  #named(values: readonly number[]): string {
    return this.#objectives.map(({ name }, i) => `${name} ${formatValue(values[i] ?? Number.NaN)}`).join(', ');
  }

  #end({ number, end }: Extract<StudyProgress, { kind: 'ended' }>): void {
    const running = this.#running.get(number);
    const params = this.#params.get(number) ?? '';
    this.#running.delete(number);
    this.#params.delete(number);
    this.#say(`trial ${number} ${this.#ending(number, end, running)}${end.kind === 'told' ? ` [${params}]` : ''}`);
  }

  #ending(number: number, end: TrialEnd, running: Running | undefined): string {
    if (end.kind === 'released') return 'stopped; it goes on with the next run';
    if (end.kind === 'not-held') return 'was taken over by another worker';
    const { outcome } = end;
    if (outcome.kind !== 'paused') this.#finished++;
    if (outcome.kind === 'failed') return `failed: ${outcome.reason}`;
    const seconds = `${((Date.now() - (running?.startedAtMs ?? Date.now())) / 1000).toFixed(1)} s`;
    if (outcome.kind === 'complete') {
      const mark = this.#isBest(number, outcome.values) ? ', best so far' : '';
      return `${this.#named(outcome.values)} (${seconds}${mark})`;
    }
    const at = running?.step === undefined ? '' : ` at step ${running.step}, ${this.#named(running.values)}`;
    return `${outcome.kind}${at} (${seconds})`;
  }

  #isBest(number: number, values: readonly number[]): boolean {
    const [objective, ...others] = this.#objectives;
    const [value] = values;
    if (objective === undefined || others.length > 0 || value === undefined || !Number.isFinite(value)) return false;
    const sign = objective.direction === 'minimize' ? 1 : -1;
    if (this.#best !== undefined && sign * value >= sign * this.#best.value) return false;
    this.#best = { number, value };
    return true;
  }

  #say(line: string): void {
    this.#erase();
    this.#terminal.stderr(`${line}\n`);
    this.#draw();
  }

  #erase(): void {
    if (this.#drawnLines > 0) this.#terminal.stderr(`\u001b[${this.#drawnLines}A\u001b[0J`);
    this.#drawnLines = 0;
  }

  #draw(): void {
    if (this.#timer === undefined) return;
    this.#erase();
    const total = this.#planned === undefined ? '' : ` of ${this.#planned}`;
    const best =
      this.#best === undefined ? '' : `, best ${this.#named([this.#best.value])} (trial ${this.#best.number})`;
    const lines = [`${this.#finished}${total} trials${best}`];
    for (const [number, { step, values, startedAtMs }] of [...this.#running].slice(0, 12)) {
      const at = step === undefined ? 'running' : `step ${step}, ${this.#named(values)}`;
      lines.push(`  trial ${number}: ${at} (${Math.round((Date.now() - startedAtMs) / 1000)} s)`);
    }
    const width = this.#terminal.columns ?? 120;
    this.#terminal.stderr(`${lines.map(line => line.slice(0, width - 1)).join('\n')}\n`);
    this.#drawnLines = lines.length;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#erase();
  }
}
