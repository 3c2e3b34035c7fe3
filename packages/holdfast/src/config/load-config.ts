import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { fault } from '@holdfast/api';
import { parse as parseYaml, YAMLParseError } from 'yaml';
import type { z } from 'zod';
import { type Config, configSchema, type WarmUpConfig } from './config.ts';

function readYaml(path: string, text: string): unknown {
  try {
    return parseYaml(text, { schema: 'core', maxAliasCount: 100 }) ?? {};
  } catch (error) {
    if (error instanceof YAMLParseError) throw fault('bad_configuration', path, error.message);
    throw error;
  }
}

function withPaths(request: WarmUpConfig, folder: string): WarmUpConfig {
  const inputs = Object.entries(request.inputs).map(([name, input]) => [
    name,
    { ...input, ...(input.file !== undefined && { file: resolve(folder, input.file) }) },
  ]);
  return { ...request, inputs: Object.fromEntries(inputs) };
}

function withRemotePaths({ servers, ...remote }: Config['remote'], folder: string): Config['remote'] {
  const resolved = Object.entries(servers).map(([address, server]) => {
    const { certificateAuthority, certificate, key, ...rest } = server;
    const paths = Object.entries({ certificateAuthority, certificate, key });
    const given = paths.flatMap(([name, path]) => (path === undefined ? [] : [[name, resolve(folder, path)]]));
    return [address, { ...rest, ...Object.fromEntries(given) }];
  });
  return { ...remote, servers: Object.fromEntries(resolved) };
}

/** Paths in the file are relative to the file. */
function resolvePaths(config: Config, folder: string): Config {
  const models = Object.entries(config.models).map(([name, model]) => {
    const paths = Array.isArray(model.file) ? model.file.map(path => resolve(folder, path)) : model.file;
    const file = paths === undefined ? {} : { file: typeof paths === 'string' ? resolve(folder, paths) : paths };
    const baseline = model.baseline && { baseline: { ...model.baseline, file: resolve(folder, model.baseline.file) } };
    return [name, { ...model, ...file, ...baseline, warmUp: model.warmUp.map(request => withPaths(request, folder)) }];
  });
  const { modelRepository } = config;
  return {
    ...config,
    models: Object.fromEntries(models),
    remote: withRemotePaths(config.remote, folder),
    ...(modelRepository && {
      modelRepository: { ...modelRepository, folder: resolve(folder, modelRepository.folder) },
    }),
  };
}

function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What `over` says wins, key by key; lists are taken whole. */
function overlay(base: unknown, over: unknown): unknown {
  if (!isPlainObject(base) || !isPlainObject(over)) return over === undefined ? base : over;
  const keys = new Set([...Object.keys(base), ...Object.keys(over)]);
  return Object.fromEntries([...keys].map(key => [key, overlay(base[key], over[key])]));
}

/** Fills each model's own section up with the section `defaults`, before the schema fills in the rest. */
function withDefaults(raw: unknown): unknown {
  if (!isPlainObject(raw) || !isPlainObject(raw.models) || raw.defaults === undefined) return raw;
  const models = Object.entries(raw.models).map(([name, model]) => [name, overlay(raw.defaults, model ?? {})]);
  return { ...raw, models: Object.fromEntries(models) };
}

function parsed<S extends z.ZodType>(schema: S, raw: unknown, where: string): z.output<S> {
  const result = schema.safeParse(raw);
  if (result.success) return result.data;
  const why = result.error.issues.map(issue => `${issue.path.join('.') || 'the file'}: ${issue.message}`).join('; ');
  throw fault('bad_configuration', where, why);
}

/** @throws Fault `bad_configuration` naming the file, the key and what it accepts */
export function parseConfig(raw: unknown, path: string): Config {
  return parsed(configSchema, withDefaults(raw), path);
}

const clusterOptionsSchema = configSchema.pick({ database: true, artifacts: true, cluster: true });

/** What the command line says of the cluster, in the words of the file. @throws Fault `bad_configuration` */
export function parseClusterOptions(raw: unknown, where: string): z.output<typeof clusterOptionsSchema> {
  return parsed(clusterOptionsSchema, raw, where);
}

/** Reads `holdfast.yaml`. @throws Fault `bad_configuration` */
export async function loadConfig(path: string): Promise<Config> {
  const text = await readFile(path, 'utf8').catch(() => {
    throw fault('bad_configuration', path, 'the file cannot be read');
  });
  return resolvePaths(parseConfig(readYaml(path, text), path), dirname(resolve(path)));
}
