import { exitCodes, helpOf, type Terminal } from './command.ts';
import type { StartHoldfast } from './up.ts';
import { verbs } from './verbs.ts';

function overview(version: string): string {
  const width = Math.max(...verbs.map(verb => verb.name.length));
  const lines = verbs.map(verb => `  ${verb.name.padEnd(width)}  ${verb.summary}`);
  return `Holdfast ${version}: serve a trained model, watch it on real traffic, and keep it true.\n\nusage: holdfast COMMAND [options]\n\n${lines.join('\n')}\n\nholdfast COMMAND --help shows the options of a command.\n`;
}

/** Runs one command line and gives the exit code; errors become one sentence on stderr. */
export async function runCommandLine(
  args: readonly string[],
  options: { readonly start: StartHoldfast; readonly terminal: Terminal; readonly version: string },
): Promise<number> {
  const { start, terminal, version } = options;
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    terminal.stdout(overview(version));
    return exitCodes.ok;
  }
  if (name === '--version' || name === 'version') {
    terminal.stdout(`${version}\n`);
    return exitCodes.ok;
  }
  const verb = verbs.find(candidate => candidate.name === name);
  if (verb === undefined) {
    terminal.stderr(`holdfast: there is no command "${name}"; holdfast --help lists them\n`);
    return exitCodes.usage;
  }
  const command = await verb.load(start);
  if (rest.includes('--help') || rest.includes('-h')) {
    terminal.stdout(helpOf(verb.summary, command));
    return exitCodes.ok;
  }
  const { runCommand } = await import('./run-command.ts');
  return runCommand(command, rest, terminal);
}
