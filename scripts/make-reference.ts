import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { faults, routes } from '@holdfast/api';
import { z } from 'zod';
import { exitCodes } from '../packages/holdfast/src/cli/command.ts';
import { type Verb, verbs } from '../packages/holdfast/src/cli/verbs.ts';
import { configSchema } from '../packages/holdfast/src/config/index.ts';

const banner = '<!-- Generated from the code by scripts/make-reference.ts; edit the table it comes from. -->\n\n';

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`;
  return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n').concat('\n');
}

/** The names of a sentence's arguments, shown as placeholders. */
function placeholders(say: (...args: never[]) => string): string[] {
  const inside = /^\(([^)]*)\)/.exec(say.toString())?.[1] ?? '';
  return inside
    .split(',')
    .map(name => name.trim())
    .filter(name => name !== '')
    .map(name => `<${name}>`);
}

function errorsPage(): string {
  const rows = Object.entries(faults).map(([code, row]) => {
    const say: (...args: never[]) => string = row.say;
    return [
      `\`${code}\``,
      String(row.http),
      String(row.grpc),
      String(Reflect.apply(say, undefined, placeholders(say))),
    ];
  });
  return `${banner}# Errors

Every error has a stable code. The control API answers \`{"error": {"code", "message"}}\` with the HTTP status below; the
inference protocols answer in their own form with the same status.

${table(['code', 'HTTP', 'gRPC', 'sentence'], rows)}`;
}

const optionSchema = z.looseObject({
  type: z.string().optional(),
  description: z.string().optional(),
  default: z.unknown().optional(),
  properties: z.record(z.string(), z.unknown()).optional(),
  additionalProperties: z.unknown().optional(),
  items: z.unknown().optional(),
  anyOf: z.array(z.unknown()).optional(),
  enum: z.array(z.unknown()).optional(),
});
type Option = z.infer<typeof optionSchema>;

function typeOf(option: Option): string {
  if (option.enum !== undefined) return option.enum.map(value => `\`${String(value)}\``).join(', ');
  if (option.anyOf !== undefined) return option.anyOf.map(part => typeOf(optionSchema.parse(part))).join(' or ');
  if (option.properties !== undefined) return `{ ${Object.keys(option.properties).join(', ')} }`;
  if (option.type === 'array') return `list of ${typeOf(optionSchema.parse(option.items ?? {}))}`;
  return option.type === 'string' ? 'text' : (option.type ?? 'any');
}

function defaultOf(option: Option): string {
  const { default: value } = option;
  if (value === undefined || (typeof value === 'object' && value !== null && Object.keys(value).length === 0))
    return '';
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}

function optionRows(option: Option, path: string): string[][] {
  return Object.entries(option.properties ?? {}).flatMap(([key, raw]) => {
    const child = optionSchema.parse(raw);
    const name = path === '' ? key : `${path}.${key}`;
    if (child.properties !== undefined && child.anyOf === undefined) return optionRows(child, name);
    const perModel = optionSchema.safeParse(child.additionalProperties);
    if (perModel.success && perModel.data.properties !== undefined) return optionRows(perModel.data, `${name}.<name>`);
    return [[`\`${name}\``, typeOf(child), defaultOf(child), child.description ?? '']];
  });
}

function configurationPage(): string {
  const schema = optionSchema.parse(z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any' }));
  return `${banner}# holdfast.yaml

Everything is optional; unknown keys are errors. Durations are texts such as \`250ms\`, \`30s\`, \`15m\`, \`1h\`, \`7d\`.
What \`defaults\` says holds for every model that does not say otherwise. Paths are relative to the file.

${table(['key', 'type', 'default', 'meaning'], optionRows(schema, ''))}`;
}

async function commandSection({ name, summary, load }: Verb): Promise<string> {
  const command = await load(() => Promise.reject(new Error('the reference starts nothing')));
  const options = command.optionHelp.map(([option, meaning]) => [`\`${option}\``, meaning]);
  return `## ${name}\n\n${summary}\n\n\`\`\`\nholdfast ${command.usage}\n\`\`\`\n\n${table(['option', 'meaning'], options)}`;
}

async function commandLinePage(): Promise<string> {
  const codes = Object.entries(exitCodes).map(([name, code]) => [
    String(code),
    name.replace(/([A-Z])/g, ' $1').toLowerCase(),
  ]);
  return `${banner}# Command line

${(await Promise.all(verbs.map(commandSection))).join('\n')}
## Exit codes

${table(['code', 'meaning'], codes)}`;
}

function apiPage(): string {
  const rows = Object.entries(routes).map(([name, route]) => {
    const query = 'query' in route ? Object.keys(route.query.shape).map(key => `\`${key}\``) : [];
    return [
      `\`${route.method}\``,
      `\`${route.path}\``,
      query.join(', '),
      name.replace(/([A-Z])/g, ' $1').toLowerCase(),
    ];
  });
  return `${banner}# Control API

Served beside the console (port 8090). Schemas of bodies and answers: \`packages/api/src/routes.ts\`; the typed client is
\`HoldfastClient\` of \`@holdfast/api\`.

${table(['method', 'path', 'query', 'what it does'], rows)}`;
}

/** Every generated page: its path below docs/reference and its text. */
export const pages: Readonly<Record<string, () => string | Promise<string>>> = {
  'errors.md': errorsPage,
  'configuration.md': configurationPage,
  'command-line.md': commandLinePage,
  'control-api.md': apiPage,
};

export const referenceFolder: string = join(dirname(fileURLToPath(import.meta.url)), '..', 'docs', 'reference');

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  mkdirSync(referenceFolder, { recursive: true });
  for (const [name, page] of Object.entries(pages)) {
    const path = join(referenceFolder, name);
    writeFileSync(path, await page());
    console.log(`${name}: ${readFileSync(path, 'utf8').split('\n').length} lines`);
  }
}
