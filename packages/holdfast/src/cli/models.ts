import type { HoldfastClient, ModelSummary } from '@holdfast/api';
import { type Command, exitCodes, flag, jsonHelp, jsonOption, words } from './command.ts';
import { connect, connectionHelp, connectionOptions } from './connection.ts';
import { renderConversion } from './conversion-report.ts';
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

async function oneVersion(
  client: HoldfastClient,
  params: { readonly model: string; readonly version: string },
  asJson: boolean,
): Promise<string> {
  const version = await client.call('readVersion', { params });
  const isConverted = version.provenance.converted !== undefined;
  const conversion = isConverted ? await client.call('readConversion', { params }) : undefined;
  if (asJson) return `${JSON.stringify({ ...version, ...(conversion && { conversion }) })}\n`;
  const facts = Object.entries({ artifact: version.digest, ...version.provenance });
  const table = renderTable(
    ['', ''],
    facts.map(([key, value]) => [key, value]),
  ).replace(/^\n/, '');
  return conversion === undefined ? table : `${table}\n${renderConversion(conversion)}`;
}

export const modelsCommand: Command = {
  usage: 'models [NAME [VERSION]] [options]',
  options: { ...connectionOptions, ...jsonOption },
  optionHelp: [...connectionHelp, jsonHelp],
  run: async (parsed, terminal) => {
    const client = connect(parsed, terminal);
    const [model, version] = parsed.positionals;
    if (model === undefined) {
      const models = await client.call('listModels', {});
      terminal.stdout(flag(parsed, 'json') ? `${JSON.stringify(models)}\n` : renderModels(models));
      return exitCodes.ok;
    }
    if (version !== undefined) {
      words(parsed, 'NAME', 'VERSION');
      terminal.stdout(await oneVersion(client, { model, version }, flag(parsed, 'json')));
      return exitCodes.ok;
    }
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
