import { type AliasMove, parseAlias, parseModelName } from '@holdfast/api';
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
  words,
} from './command.ts';
import { connect, connectionHelp, connectionOptions } from './connection.ts';

const reasonOption = { reason: { type: 'string' } } as const;
const reasonHelp = ['--reason TEXT', 'why, for the history'] as const;

function printMove(parsed: Parsed, terminal: Terminal, model: string, move: AliasMove): number {
  if (flag(parsed, 'json')) terminal.stdout(`${JSON.stringify(move)}\n`);
  else if (move.toVersion === null)
    terminal.stdout(`${model}: ${move.alias} removed (it was version ${move.fromVersion})\n`);
  else {
    const from = move.fromVersion === null ? '' : ` (it was ${move.fromVersion})`;
    terminal.stdout(`${model}: ${move.alias} is version ${move.toVersion}${from}\n`);
  }
  return exitCodes.ok;
}

export const rollbackCommand: Command = {
  usage: 'rollback NAME [options]',
  options: { ...connectionOptions, ...jsonOption, ...reasonOption },
  optionHelp: [reasonHelp, ...connectionHelp, jsonHelp],
  run: async (parsed, terminal) => {
    const model = parseModelName(words(parsed, 'NAME')[0] ?? '');
    const body = { reason: text(parsed, 'reason') ?? '' };
    return printMove(
      parsed,
      terminal,
      model,
      await connect(parsed, terminal).call('rollback', { params: { model }, body }),
    );
  },
};

export const aliasCommand: Command = {
  usage: 'alias NAME ALIAS VERSION [options]',
  options: { ...connectionOptions, ...jsonOption, ...reasonOption, remove: { type: 'boolean' } },
  optionHelp: [reasonHelp, ['--remove', 'remove the alias (then without VERSION)'], ...connectionHelp, jsonHelp],
  run: async (parsed, terminal) => {
    const isRemoval = flag(parsed, 'remove');
    const [name = '', rawAlias = '', rawVersion = ''] = isRemoval
      ? words(parsed, 'NAME', 'ALIAS')
      : words(parsed, 'NAME', 'ALIAS', 'VERSION');
    const params = { model: parseModelName(name), alias: parseAlias(rawAlias) };
    const client = connect(parsed, terminal);
    if (isRemoval) return printMove(parsed, terminal, name, await client.call('removeAlias', { params }));
    const version = Number(rawVersion);
    if (!Number.isSafeInteger(version) || version < 1) throw new UsageError(`"${rawVersion}" is not a version number`);
    const body = { version, reason: text(parsed, 'reason') ?? '' };
    return printMove(parsed, terminal, name, await client.call('moveAlias', { params, body }));
  },
};

export const removeCommand: Command = {
  usage: 'remove NAME [--version N] [options]',
  options: { ...connectionOptions, ...jsonOption, version: { type: 'string' }, all: { type: 'boolean' } },
  optionHelp: [
    ['--version N', 'the version to remove'],
    ['--all', 'remove the model with all its versions'],
    ...connectionHelp,
    jsonHelp,
  ],
  run: async (parsed, terminal) => {
    const model = parseModelName(words(parsed, 'NAME')[0] ?? '');
    const version = text(parsed, 'version');
    if ((version === undefined) === !flag(parsed, 'all')) throw new UsageError('say either --version N or --all');
    const client = connect(parsed, terminal);
    if (version !== undefined) await client.call('removeVersion', { params: { model, version } });
    else await client.call('removeModel', { params: { model } });
    const what = version === undefined ? model : `${model} version ${version}`;
    terminal.stdout(flag(parsed, 'json') ? `${JSON.stringify({ removed: what })}\n` : `removed ${what}\n`);
    return exitCodes.ok;
  },
};
