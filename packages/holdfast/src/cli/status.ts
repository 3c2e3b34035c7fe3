import { type Command, exitCodes, flag, jsonHelp, jsonOption, words } from './command.ts';
import { connect, connectionHelp, connectionOptions } from './connection.ts';
import { renderModels } from './models.ts';
import { formatBytes, formatTime, renderTable } from './table.ts';

export const statusCommand: Command = {
  usage: 'status [options]',
  options: { ...connectionOptions, ...jsonOption },
  optionHelp: [...connectionHelp, jsonHelp],
  run: async (parsed, terminal) => {
    words(parsed);
    const status = await connect(parsed, terminal).call('status', {});
    if (flag(parsed, 'json')) {
      terminal.stdout(`${JSON.stringify(status)}\n`);
      return exitCodes.ok;
    }
    terminal.stdout(`Holdfast ${status.version}, up since ${formatTime(status.startedAtMs)}\n`);
    terminal.stdout(`inference  ${status.inferenceUrl}\nconsole    ${status.consoleUrl}\n\n`);
    terminal.stdout(
      renderTable(
        ['PROCESS', 'PID', 'STATE', 'RESTARTS', 'MEMORY'],
        status.processes.map(process => [
          process.name,
          String(process.pid),
          process.state,
          String(process.restarts),
          process.residentBytes === null ? '-' : formatBytes(process.residentBytes),
        ]),
      ),
    );
    const { recordedTotal, droppedTotal, labelsTotal } = status.recording;
    terminal.stdout(`\nrecorded ${recordedTotal} predictions (${droppedTotal} dropped), ${labelsTotal} labels\n\n`);
    terminal.stdout(renderModels(status.models));
    return exitCodes.ok;
  },
};
