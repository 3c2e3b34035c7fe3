import { alertStateSchema, parseModelName } from '@holdfast/api';
import { type Command, exitCodes, flag, jsonHelp, jsonOption, text, UsageError, words } from './command.ts';
import { connect, connectionHelp, connectionOptions } from './connection.ts';
import { formatTime, renderTable } from './table.ts';

export const alertsCommand: Command = {
  usage: 'alerts [--model NAME] [--state firing] [options]',
  options: { ...connectionOptions, ...jsonOption, model: { type: 'string' }, state: { type: 'string' } },
  optionHelp: [
    ['--model NAME', 'only of this model'],
    ['--state S', 'pending, firing or resolved'],
    ...connectionHelp,
    jsonHelp,
  ],
  run: async (parsed, terminal) => {
    words(parsed);
    const model = text(parsed, 'model');
    const state = alertStateSchema.optional().safeParse(text(parsed, 'state'));
    if (!state.success) throw new UsageError('--state is pending, firing or resolved');
    const alerts = await connect(parsed, terminal).call('alerts', {
      query: { ...(model !== undefined && { model: parseModelName(model) }), state: state.data },
    });
    if (flag(parsed, 'json')) terminal.stdout(`${JSON.stringify(alerts)}\n`);
    else if (alerts.length === 0) terminal.stdout('No alerts.\n');
    else {
      terminal.stdout(
        renderTable(
          ['MODEL', 'STATE', 'MONITOR', 'SINCE', 'WHY'],
          alerts.map(alert => [
            alert.model,
            alert.state,
            alert.monitor,
            formatTime(alert.sinceMs),
            alert.sentences[0] ?? alert.title,
          ]),
        ),
      );
    }
    return exitCodes.ok;
  },
};
