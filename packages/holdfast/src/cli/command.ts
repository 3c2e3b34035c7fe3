import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';

/** Where a command reads from and prints to; `stdout` carries answers, `stderr` everything for people meanwhile. */
export interface Terminal {
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  readonly isInteractive: boolean;
  /** Whether stderr is a terminal, where progress may be drawn over. */
  readonly isErrorInteractive: boolean;
  /** Characters a line of the terminal holds. */
  readonly columns: number | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface Parsed {
  readonly values: Readonly<Record<string, string | boolean | readonly (string | boolean)[] | undefined>>;
  readonly positionals: readonly string[];
}

/** What a verb of the command line takes and does. */
export interface Command {
  readonly usage: string;
  readonly options: ParseArgsOptionsConfig;
  /** One line per option for --help: name with its argument, meaning, default. */
  readonly optionHelp: readonly (readonly [option: string, meaning: string])[];
  readonly run: (parsed: Parsed, terminal: Terminal) => Promise<number>;
}

/** Exit codes, as the reference page lists them. */
export const exitCodes = {
  ok: 0,
  /** The command could not do what was asked; the reason is on stderr. */
  failed: 1,
  /** The words of the command were off, or the configuration is wrong. */
  usage: 2,
  /** Another process owns the data directory. */
  dataDirectoryInUse: 3,
  /** No Holdfast answers at the address. */
  unreachable: 4,
  /** Stopped by Ctrl-C or SIGTERM, in order. */
  interrupted: 130,
} as const;

/** The command's words are off; `message` says how, and the usage line is printed after it. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export const jsonOption = { json: { type: 'boolean' } } as const satisfies ParseArgsOptionsConfig;
export const jsonHelp = ['--json', 'print the answer as JSON'] as const;

/** @throws UsageError for unknown or incomplete options */
export function parseCommandLine(command: Command, args: readonly string[]): Parsed {
  try {
    return parseArgs({ args: [...args], options: command.options, allowPositionals: true, strict: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** The value of a text option. */
export function text(parsed: Parsed, name: string): string | undefined {
  const value = parsed.values[name];
  return typeof value === 'string' ? value : undefined;
}

export function flag(parsed: Parsed, name: string): boolean {
  return parsed.values[name] === true;
}

/** A whole number in a range. @throws UsageError */
export function wholeNumber(parsed: Parsed, name: string, minimum: number, maximum: number): number | undefined {
  const raw = text(parsed, name);
  if (raw === undefined) return undefined;
  const value = Number(raw);
  if (!Number.isSafeInteger(value) || value < minimum || value > maximum) {
    throw new UsageError(`--${name} takes a whole number from ${minimum} to ${maximum}, not "${raw}"`);
  }
  return value;
}

/** One of these words. @throws UsageError */
export function oneOf<T extends string>(parsed: Parsed, name: string, choices: readonly T[]): T | undefined {
  const raw = text(parsed, name);
  if (raw === undefined) return undefined;
  const chosen = choices.find(choice => choice === raw);
  if (chosen === undefined) throw new UsageError(`--${name} takes ${choices.join(' or ')}, not "${raw}"`);
  return chosen;
}

/** Exactly these positional words. @throws UsageError */
export function words(parsed: Parsed, ...names: readonly string[]): readonly string[] {
  if (parsed.positionals.length !== names.length) {
    throw new UsageError(names.length === 0 ? 'no further words expected' : `expected: ${names.join(' ')}`);
  }
  return parsed.positionals;
}

export function helpOf(summary: string, command: Command): string {
  const rows = [...command.optionHelp, ['--help', 'show this help'] as const];
  const width = Math.max(...rows.map(([option]) => option.length));
  const lines = rows.map(([option, meaning]) => `  ${option.padEnd(width)}  ${meaning}`);
  return `${summary}\n\nusage: holdfast ${command.usage}\n\n${lines.join('\n')}\n`;
}
