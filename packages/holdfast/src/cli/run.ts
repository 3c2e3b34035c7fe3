import { ApiError, isFault } from '@holdfast/api';
import { alertsCommand } from './alerts.ts';
import { aliasCommand, removeCommand, rollbackCommand } from './aliases.ts';
import { type Command, exitCodes, helpOf, parseCommandLine, type Terminal, UsageError } from './command.ts';
import { controlUrl } from './connection.ts';
import { convertCommand } from './convert.ts';
import { deployCommand } from './deploy.ts';
import { deploymentCommand } from './deployment.ts';
import { modelsCommand } from './models.ts';
import { predictionsCommand } from './predictions.ts';
import { rolloutCommand } from './rollout.ts';
import { statusCommand } from './status.ts';
import { studiesCommand } from './studies.ts';
import { tuneCommand } from './tune.ts';
import { type StartHoldfast, upCommand } from './up.ts';

/** Every verb, in the order of the help. */
export function commands(start: StartHoldfast): readonly Command[] {
  return [
    upCommand(start),
    deployCommand,
    convertCommand,
    modelsCommand,
    statusCommand,
    rolloutCommand,
    rollbackCommand,
    aliasCommand,
    deploymentCommand,
    removeCommand,
    predictionsCommand,
    alertsCommand,
    tuneCommand,
    studiesCommand,
  ];
}

function overview(all: readonly Command[], version: string): string {
  const width = Math.max(...all.map(command => command.name.length));
  const lines = all.map(command => `  ${command.name.padEnd(width)}  ${command.summary}`);
  return `Holdfast ${version}: serve a trained model, watch it on real traffic, and keep it true.\n\nusage: holdfast COMMAND [options]\n\n${lines.join('\n')}\n\nholdfast COMMAND --help shows the options of a command.\n`;
}

function isUnreachable(error: unknown): boolean {
  return error instanceof TypeError && /fetch failed/.test(error.message);
}

/** Runs one command line and gives the exit code; errors become one sentence on stderr. */
export async function runCommandLine(
  args: readonly string[],
  options: { readonly start: StartHoldfast; readonly terminal: Terminal; readonly version: string },
): Promise<number> {
  const { start, terminal, version } = options;
  const all = commands(start);
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    terminal.stdout(overview(all, version));
    return exitCodes.ok;
  }
  if (name === '--version' || name === 'version') {
    terminal.stdout(`${version}\n`);
    return exitCodes.ok;
  }
  const command = all.find(candidate => candidate.name === name);
  if (command === undefined) {
    terminal.stderr(`holdfast: there is no command "${name}"; holdfast --help lists them\n`);
    return exitCodes.usage;
  }
  if (rest.includes('--help') || rest.includes('-h')) {
    terminal.stdout(helpOf(command));
    return exitCodes.ok;
  }
  return runCommand(command, rest, terminal);
}

async function runCommand(command: Command, args: readonly string[], terminal: Terminal): Promise<number> {
  let address = '';
  try {
    const parsed = parseCommandLine(command, args);
    address = controlUrl(parsed, terminal);
    return await command.run(parsed, terminal);
  } catch (error) {
    if (error instanceof UsageError) {
      terminal.stderr(`holdfast: ${error.message}\nusage: holdfast ${command.usage}\n`);
      return exitCodes.usage;
    }
    if (isUnreachable(error)) {
      terminal.stderr(`holdfast: nothing answers at ${address}; start it with: holdfast up\n`);
      return exitCodes.unreachable;
    }
    if (isFault(error) || error instanceof ApiError) {
      terminal.stderr(`holdfast: ${error.message}\n`);
      return isFault(error) && error.httpStatus === 400 ? exitCodes.usage : exitCodes.failed;
    }
    throw error;
  }
}
