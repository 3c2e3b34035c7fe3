import type { ModelSummary } from '@holdfast/api';
import { type Command, exitCodes, flag, jsonHelp, jsonOption, words } from './command.ts';
import { connect, connectionHelp, connectionOptions } from './connection.ts';
import { formatBytes, formatNumber, formatTime, renderTable } from './table.ts';

function metricOf(summary: ModelSummary): string {
  const { leadingMetric } = summary;
  return leadingMetric === null ? '-' : `${leadingMetric.name} ${formatNumber(leadingMetric.value)}`;
}

export function renderModels(models: readonly ModelSummary[]): string {
  if (models.length === 0) return 'No models yet: holdfast deploy MODEL.onnx --name NAME\n';
  return renderTable(
    ['MODEL', 'CHAMPION', 'STATE', 'REQ/S', 'P99 MS', 'DRIFT', 'PERFORMANCE', 'METRIC', 'ALERTS'],
    models.map(model => [
      model.name,
      model.champion === null ? '-' : String(model.champion),
      model.state,
      formatNumber(model.traffic.requestsPerSecond, 1),
      formatNumber(model.traffic.p99Ms, 1),
      model.drift,
      model.performance,
      metricOf(model),
      String(model.firingAlerts),
    ]),
  );
}

export const modelsCommand: Command = {
  name: 'models',
  usage: 'models [NAME] [options]',
  summary: 'List the models, or the versions and alias history of one.',
  options: { ...connectionOptions, ...jsonOption },
  optionHelp: [...connectionHelp, jsonHelp],
  run: async (parsed, terminal) => {
    const client = connect(parsed, terminal);
    const [model] = parsed.positionals;
    if (model === undefined) {
      const models = await client.call('listModels', {});
      terminal.stdout(flag(parsed, 'json') ? `${JSON.stringify(models)}\n` : renderModels(models));
      return exitCodes.ok;
    }
    words(parsed, 'NAME');
    const detail = await client.call('readModel', { params: { model } });
    if (flag(parsed, 'json')) {
      terminal.stdout(`${JSON.stringify(detail)}\n`);
      return exitCodes.ok;
    }
    terminal.stdout(
      renderTable(
        ['VERSION', 'STATE', 'ALIASES', 'SIZE', 'BASELINE', 'REGISTERED', 'ARTIFACT'],
        detail.versions.map(version => [
          String(version.version),
          version.state,
          version.aliases.join(', ') || '-',
          formatBytes(version.bytes),
          version.baselineRows === undefined ? '-' : `${version.baselineRows} rows`,
          formatTime(version.createdAtMs),
          version.digest.slice(0, 19),
        ]),
      ),
    );
    terminal.stdout(
      `\n${renderTable(
        ['MOVED', 'ALIAS', 'FROM', 'TO', 'BY', 'WHY'],
        detail.history.map(move => [
          formatTime(move.atMs),
          move.alias,
          String(move.fromVersion ?? '-'),
          String(move.toVersion ?? '-'),
          move.actor,
          move.reason,
        ]),
      )}`,
    );
    return exitCodes.ok;
  },
};
