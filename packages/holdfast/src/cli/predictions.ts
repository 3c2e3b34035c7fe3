import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { exportFormatSchema, parseModelName } from '@holdfast/api';
import { type Command, exitCodes, text, UsageError, wholeNumber, words } from './command.ts';
import { connect, connectionHelp, connectionOptions } from './connection.ts';

export const predictionsCommand: Command = {
  usage: 'predictions NAME [--last 1h] [--where "origin = \'ORD\'"] [--format csv] [options]',
  options: {
    ...connectionOptions,
    last: { type: 'string' },
    where: { type: 'string' },
    version: { type: 'string' },
    limit: { type: 'string' },
    format: { type: 'string' },
    output: { type: 'string', short: 'o' },
    json: { type: 'boolean' },
  },
  optionHelp: [
    ['--last DURATION', 'only this long before the latest prediction: 15m, 1h, 7d'],
    ['--where CONDITION', 'a condition over the recorded columns'],
    ['--version N', 'only predictions of this version'],
    ['--limit N', 'at most so many rows, the latest'],
    ['--format F', 'csv (default), parquet or jsonl'],
    ['-o, --output FILE', 'write to a file instead of stdout'],
    ...connectionHelp,
    ['--json', 'short for --format jsonl'],
  ],
  run: async (parsed, terminal) => {
    const model = parseModelName(words(parsed, 'NAME')[0] ?? '');
    const format = exportFormatSchema.safeParse(
      parsed.values.json === true ? 'jsonl' : (text(parsed, 'format') ?? 'csv'),
    );
    if (!format.success) throw new UsageError('--format is csv, parquet or jsonl');
    const version = wholeNumber(parsed, 'version', 1, 2_147_483_647);
    const limit = wholeNumber(parsed, 'limit', 1, 10_000_000);
    const response = await connect(parsed, terminal).call('exportPredictions', {
      params: { model },
      query: { format: format.data, last: text(parsed, 'last'), where: text(parsed, 'where'), version, limit },
    });
    if (response.body === null) return exitCodes.failed;
    const output = text(parsed, 'output');
    const sink = output === undefined ? process.stdout : createWriteStream(output);
    await pipeline(Readable.fromWeb(response.body), sink, { end: output !== undefined });
    return exitCodes.ok;
  },
};
