import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { Fault, parseDurationMs } from '@holdfast/api';
import { type Config, loadConfig, parseClusterOptions, parseConfig } from '../config/index.ts';
import {
  type Command,
  exitCodes,
  flag,
  jsonHelp,
  jsonOption,
  oneOf,
  type Parsed,
  type Terminal,
  text,
  UsageError,
  wholeNumber,
} from './command.ts';
import { modelNameOfFile } from './deploy.ts';
import { signalled } from './signals.ts';

/** A Holdfast that is up. */
export interface RunningHoldfast extends AsyncDisposable {
  readonly inferenceUrl: string;
  /** Host and port, as gRPC clients want it. */
  readonly grpcAddress: string;
  readonly consoleUrl: string;
  /** A request that can be pasted into a shell, for each model that serves. */
  readonly examples: readonly { readonly model: string; readonly curl: string }[];
  /** Models that could not be served, with the reason. */
  readonly problems: readonly { readonly model: string; readonly why: string }[];
}

export interface StartRequest {
  readonly config: Config;
  readonly workers: number;
  readonly progress: (text: string) => void;
  /** Gives the start up: what was started already ends in order, and the start rejects. */
  readonly signal: AbortSignal;
}

export type StartHoldfast = (request: StartRequest) => Promise<RunningHoldfast>;

/** Longer than any process of it may take to end. */
const stopTimeoutMs = 45_000;

/** @throws UsageError */
function duration(parsed: Parsed, name: string): number | undefined {
  const raw = text(parsed, name);
  if (raw === undefined) return undefined;
  const ms = parseDurationMs(raw);
  if (ms === undefined) throw new UsageError(`--${name} takes a time such as 500ms, 15s or 1m, not "${raw}"`);
  return ms;
}

async function configOf(parsed: Parsed): Promise<Config> {
  const path = text(parsed, 'config') ?? (existsSync('holdfast.yaml') ? 'holdfast.yaml' : undefined);
  const config = path === undefined ? parseConfig({}, 'holdfast.yaml') : await loadConfig(path);
  const models = { ...config.models };
  for (const file of parsed.positionals) {
    if (!existsSync(file)) throw new UsageError(`there is no file ${file}`);
    const name = modelNameOfFile(file);
    models[name] = { ...config.defaults, ...models[name], file: resolve(file) };
  }
  const folder = text(parsed, 'model-repository');
  const poll = duration(parsed, 'repository-poll') ?? config.modelRepository?.poll;
  const repository = folder === undefined ? config.modelRepository?.folder : resolve(folder);
  if (repository === undefined && poll !== undefined)
    throw new UsageError('--repository-poll needs --model-repository DIR');
  return {
    ...config,
    ...(repository !== undefined && {
      modelRepository: { folder: repository, ...(poll !== undefined && { poll }) },
    }),
    models,
    data: text(parsed, 'data') ?? config.data,
    host: text(parsed, 'host') ?? config.host,
    port: wholeNumber(parsed, 'port', 0, 65_535) ?? config.port,
    grpcPort: wholeNumber(parsed, 'grpc-port', 0, 65_535) ?? config.grpcPort,
    modelControl: oneOf(parsed, 'model-control', ['none', 'explicit']) ?? config.modelControl,
    consolePort: wholeNumber(parsed, 'console-port', 0, 65_535) ?? config.consolePort,
    ...parseClusterOptions(
      {
        database: text(parsed, 'database') ?? config.database,
        artifacts: text(parsed, 'artifacts') ?? config.artifacts,
        cluster: {
          role: text(parsed, 'role') ?? config.cluster.role,
          host: text(parsed, 'cluster-host') ?? config.cluster.host,
          port: wholeNumber(parsed, 'cluster-port', 0, 65_535) ?? config.cluster.port,
          advertise: text(parsed, 'advertise') ?? config.cluster.advertise,
        },
      },
      'the command line',
    ),
  };
}

function announce(running: RunningHoldfast, parsed: Parsed, terminal: Terminal): void {
  const { inferenceUrl, grpcAddress, consoleUrl, examples, problems } = running;
  if (flag(parsed, 'json')) {
    terminal.stdout(`${JSON.stringify({ ready: true, inferenceUrl, grpcAddress, consoleUrl, examples, problems })}\n`);
    return;
  }
  terminal.stdout(`\n  inference  ${inferenceUrl}\n  gRPC       ${grpcAddress}\n  console    ${consoleUrl}\n`);
  for (const { model, why } of problems) terminal.stderr(`\n  ${model} does not serve: ${why}\n`);
  for (const { model, curl } of examples) terminal.stdout(`\n  Ask ${model}:\n\n    ${curl}\n`);
  if (examples.length === 0) terminal.stdout('\n  No models yet: holdfast deploy MODEL.onnx --name NAME\n');
  terminal.stdout('\n  Ctrl-C ends it in order.\n\n');
}

/** `holdfast up`; the composition root gives what starts the product. */
export function upCommand(start: StartHoldfast): Command {
  return {
    usage: 'up [MODEL ...] [options]',
    options: {
      ...jsonOption,
      config: { type: 'string' },
      data: { type: 'string' },
      host: { type: 'string' },
      port: { type: 'string' },
      'grpc-port': { type: 'string' },
      'model-control': { type: 'string' },
      'console-port': { type: 'string' },
      'model-repository': { type: 'string' },
      'repository-poll': { type: 'string' },
      workers: { type: 'string' },
      database: { type: 'string' },
      artifacts: { type: 'string' },
      role: { type: 'string' },
      'cluster-host': { type: 'string' },
      'cluster-port': { type: 'string' },
      advertise: { type: 'string' },
    },
    optionHelp: [
      ['--config FILE', 'configuration (default ./holdfast.yaml when it is there)'],
      ['--data DIR', 'data directory (default ./.holdfast)'],
      ['--host ADDRESS', 'address to listen on (default 127.0.0.1)'],
      ['--port N', 'inference port (default 8080; 0 takes a free one)'],
      ['--grpc-port N', 'inference over gRPC (default 8081; 0 takes a free one)'],
      ['--console-port N', 'console and control API (default 8090; 0 takes a free one)'],
      ['--model-control explicit', 'let clients load, unload and upload models (default none)'],
      ['--model-repository DIR', 'serve a folder with a folder per model, as Triton or TensorFlow Serving arrange it'],
      ['--repository-poll TIME', 'look for changes in it every so often, such as 15s (default only at start)'],
      ['--workers N', 'gateway processes behind the inference port (default 1)'],
      ['--database URL', 'postgres:// server that several machines share (default: in the data directory)'],
      ['--artifacts URL', 's3://BUCKET/PREFIX for artifacts and sealed predictions (default: in the data directory)'],
      ['--role ROLE', 'all, or serve: a machine that never leads the cluster (default all)'],
      ['--cluster-host ADDRESS', 'address that other machines of the cluster reach (default 127.0.0.1)'],
      ['--cluster-port N', 'port that other machines of the cluster reach (default 8092; 0 takes a free one)'],
      ['--advertise URL', 'what other machines are told, when it differs from host and port'],
      jsonHelp,
    ],
    run: async (parsed, terminal) => {
      const stopping = new AbortController();
      const stop = signalled().then(() => {
        terminal.stderr('finishing what is in flight ...\n');
        stopping.abort();
        setTimeout(() => {
          terminal.stderr(`holdfast: not ended in order within ${stopTimeoutMs / 1000} s\n`);
          process.exit(exitCodes.failed);
        }, stopTimeoutMs).unref();
      });
      const workers = wholeNumber(parsed, 'workers', 1, 64) ?? 1;
      const config = await configOf(parsed);
      try {
        await using running = await start({ config, workers, progress: terminal.stderr, signal: stopping.signal });
        announce(running, parsed, terminal);
        await stop;
      } catch (error) {
        if (error === stopping.signal.reason) return exitCodes.ok;
        if (error instanceof Error && error.name === 'DataDirectoryInUse') {
          terminal.stderr(`holdfast: ${error.message}\n`);
          return exitCodes.dataDirectoryInUse;
        }
        if (error instanceof Fault && error.code === 'bad_configuration') {
          terminal.stderr(`holdfast: ${error.message}\n`);
          return exitCodes.usage;
        }
        throw error;
      }
      return exitCodes.ok;
    },
  };
}
