import { ApiError, isFault } from '@holdfast/api';
import { type Command, exitCodes, parseCommandLine, type Terminal, UsageError } from './command.ts';
import { controlUrl } from './connection.ts';

function isUnreachable(error: unknown): boolean {
  return error instanceof TypeError && /fetch failed/.test(error.message);
}

/** What the operating system refuses: a folder that may not be written, a file in the way, a full disk. */
function isRefusedBySystem(error: unknown): error is Error {
  return error instanceof Error && 'syscall' in error && 'path' in error;
}

/** Runs a command with the words after its name and gives the exit code; errors become one sentence on stderr. */
export async function runCommand(command: Command, args: readonly string[], terminal: Terminal): Promise<number> {
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
    if (isRefusedBySystem(error)) {
      terminal.stderr(`holdfast: ${error.message}\n`);
      return exitCodes.failed;
    }
    throw error;
  }
}
