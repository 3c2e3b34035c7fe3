import { readFile } from 'node:fs/promises';
import { type Deployment, type DeploymentInput, deploymentSchema, fault, parseModelName } from '@holdfast/api';
import { parse as parseYaml, YAMLParseError } from 'yaml';
import { type Command, exitCodes, flag, jsonHelp, jsonOption, text, UsageError, words } from './command.ts';
import { connect, connectionHelp, connectionOptions } from './connection.ts';

/** The value of a model's `deployment` key, from a YAML or JSON file. */
async function readSpec(path: string): Promise<DeploymentInput> {
  const source = await readFile(path, 'utf8').catch(() => {
    throw new UsageError(`${path} cannot be read`);
  });
  const result = deploymentSchema.safeParse(parsedYaml(path, source));
  if (result.success) return result.data;
  const why = result.error.issues.map(issue => `${issue.path.join('.') || 'the file'}: ${issue.message}`).join('; ');
  throw fault('bad_configuration', path, why);
}

function parsedYaml(path: string, source: string): unknown {
  try {
    return parseYaml(source, { schema: 'core', maxAliasCount: 100 });
  } catch (error) {
    if (error instanceof YAMLParseError) throw fault('bad_configuration', path, error.message);
    throw error;
  }
}

function describe(model: string, deployment: Deployment | null): string {
  if (deployment === null) return `${model}: the champion answers all\n`;
  const lines = [
    ...deployment.rules.map((rule, i) => `rule ${i + 1}: ${JSON.stringify(rule.when)} -> ${rule.version}`),
    ...deployment.split.map(share => `${share.percent} % -> ${share.version}`),
    ...deployment.shadow.map(share => `copies of ${share.percent} % -> ${share.version} (answers nobody)`),
    'the rest -> champion',
  ];
  return `${lines.map(line => `${model}: ${line}`).join('\n')}\n`;
}

export const deploymentCommand: Command = {
  usage: 'deployment NAME [--file FILE | --clear] [options]',
  options: {
    ...connectionOptions,
    ...jsonOption,
    file: { type: 'string' },
    clear: { type: 'boolean' },
    reason: { type: 'string' },
  },
  optionHelp: [
    ['--file FILE', 'YAML or JSON with split, shadow, rules, sticky and salt, as under models.NAME.deployment'],
    ['--clear', 'let the champion answer all'],
    ['--reason TEXT', 'why, for the history'],
    ...connectionHelp,
    jsonHelp,
  ],
  run: async (parsed, terminal) => {
    const model = parseModelName(words(parsed, 'NAME')[0] ?? '');
    const path = text(parsed, 'file');
    const isClear = flag(parsed, 'clear');
    if (path !== undefined && isClear) throw new UsageError('say either --file or --clear');
    const client = connect(parsed, terminal);
    const params = { model };
    const isChange = path !== undefined || isClear;
    const spec = path === undefined ? null : await readSpec(path);
    const { deployment } = isChange
      ? await client.call('setDeployment', {
          params,
          body: { deployment: spec, reason: text(parsed, 'reason') ?? '' },
        })
      : await client.call('readDeployment', { params });
    terminal.stdout(flag(parsed, 'json') ? `${JSON.stringify({ deployment })}\n` : describe(model, deployment));
    return exitCodes.ok;
  },
};
