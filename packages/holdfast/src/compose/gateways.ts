import { fileURLToPath } from 'node:url';
import { fault, faults, type ProcessStatus } from '@holdfast/api';
import { z } from 'zod';
import type { RoutingTargets } from '../rollout/index.ts';
import {
  answerTo,
  type ControlDoor,
  type FromGateway,
  type GatewayReport,
  type RoutingTable,
  sumOfStatistics,
  type ToGateway,
  type VersionStatistics,
} from '../serving/index.ts';
import type { Log } from '../telemetry/index.ts';
import type { GatewayMessage } from './gateway-process.ts';
import type { GatewaySettings } from './gateway-settings.ts';
import { SupervisedChild } from './supervised-child.ts';

/** A gateway that does not tell its numbers by then is counted without them. */
const statisticsTimeoutMs = 5000;
/** A gateway that has not taken a routing table by then is restarted by its supervisor or catches up later. */
const routingTimeoutMs = 10_000;

export interface GatewaysOptions {
  readonly count: number;
  /** Number of the first one, part of log names and prediction ids. */
  readonly firstInstance: number;
  readonly settings: Omit<GatewaySettings, 'instance' | 'shared'>;
  readonly log: Log;
  readonly onReport: (gateway: string, report: GatewayReport) => void;
  readonly onEnd: (gateway: string) => void;
  /** Answers what gateways ask. */
  readonly door: ControlDoor;
  /** A run on this socket takes too long. */
  readonly onHung: (model: string, socket: string) => void;
}

/** The parent wrote the child, so only the discriminator is checked. */
function isFromGateway(message: unknown): message is GatewayMessage {
  return z
    .object({ kind: z.enum(['listening', 'routed', 'report', 'hung', 'failed', 'ask', 'statistics']) })
    .safeParse(message).success;
}

/** Where a gateway listens. */
interface Ports {
  readonly port: number;
  readonly grpcPort: number;
}

class GatewayProcess {
  readonly name: string;
  readonly child: SupervisedChild;
  readonly listening = Promise.withResolvers<Ports>();
  /** The ports it got; a successor listens there again. */
  ports: Ports;
  readonly #asked = new Map<number, (statistics: readonly VersionStatistics[]) => void>();
  #nextId = 1;
  #routedGeneration = 0;
  #waiting: { readonly generation: number; readonly resolve: () => void }[] = [];

  constructor(
    index: number,
    { table, logLevel }: { table: () => RoutingTable | undefined; logLevel: () => string | undefined },
    options: GatewaysOptions,
    ports: Ports,
  ) {
    this.name = `gateway-${index}`;
    this.ports = ports;
    this.child = new SupervisedChild({
      name: this.name,
      kind: 'gateway',
      entry: fileURLToPath(
        new URL(`./gateway-process${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url),
      ),
      settings: (): GatewaySettings => ({
        ...options.settings,
        ...this.ports,
        instance: options.firstInstance + index - 1,
        shared: options.count > 1,
      }),
      log: options.log,
      onStart: send => {
        this.#routedGeneration = 0;
        options.onEnd(this.name);
        const current = table();
        if (current !== undefined) send({ kind: 'routing', table: current });
        const level = logLevel();
        if (level !== undefined) send({ kind: 'log-level', level });
      },
      onMessage: message => {
        if (!isFromGateway(message)) return;
        if (message.kind === 'listening') {
          const { port, grpcPort } = message;
          this.ports = { port, grpcPort };
          this.listening.resolve(this.ports);
          this.child.markHealthy();
        } else if (message.kind === 'routed') this.#routed(message.generation);
        else if (message.kind === 'hung') options.onHung(message.model, message.socket);
        else if (message.kind === 'failed') {
          this.listening.reject(
            fault(
              'bad_configuration',
              `${options.settings.host} port ${this.ports.port} or gRPC port ${this.ports.grpcPort}`,
              message.why,
            ),
          );
        } else if (message.kind === 'ask') void this.#answer(message, options);
        else if (message.kind === 'statistics') this.#told(message.id, message.statistics);
        else options.onReport(this.name, message.report);
      },
    });
  }

  async #answer(asked: Extract<FromGateway, { kind: 'ask' }>, { door, log }: GatewaysOptions): Promise<void> {
    try {
      this.child.send(await answerTo(asked, door));
    } catch (error) {
      const text = faults.internal.say(this.name);
      log.error({ error, process: this.name }, 'gateway.question_failed');
      this.child.send({ kind: 'declined', id: asked.id, code: 'internal', text } satisfies ToGateway);
    }
  }

  /** Its statistics now; none when it is away or does not answer. */
  statistics(): Promise<readonly VersionStatistics[]> {
    const id = this.#nextId++;
    return new Promise(resolve => {
      const timer = setTimeout(() => this.#told(id, []), statisticsTimeoutMs);
      this.#asked.set(id, statistics => {
        clearTimeout(timer);
        resolve(statistics);
      });
      this.child.send({ kind: 'tell-statistics', id } satisfies ToGateway);
    });
  }

  #told(id: number, statistics: readonly VersionStatistics[]): void {
    this.#asked.get(id)?.(statistics);
    this.#asked.delete(id);
  }

  #routed(generation: number): void {
    this.#routedGeneration = Math.max(this.#routedGeneration, generation);
    this.#waiting = this.#waiting.filter(waiter => {
      if (waiter.generation > this.#routedGeneration) return true;
      waiter.resolve();
      return false;
    });
  }

  apply(table: RoutingTable): Promise<void> {
    this.child.send({ kind: 'routing', table });
    return new Promise(resolve => {
      const timer = setTimeout(resolve, routingTimeoutMs);
      this.#waiting.push({
        generation: table.generation,
        resolve: () => {
          clearTimeout(timer);
          resolve();
        },
      });
    });
  }
}

/** The gateway processes of this machine: all listen on one port, all route by the same table. */
export class Gateways implements RoutingTargets, AsyncDisposable {
  readonly #options: GatewaysOptions;
  readonly #processes: GatewayProcess[] = [];
  #table: RoutingTable | undefined;
  #logLevel: string | undefined;

  private constructor(options: GatewaysOptions) {
    this.#options = options;
  }

  /** Resolves when all of them listen. */
  static async start(options: GatewaysOptions): Promise<Gateways> {
    const gateways = new Gateways(options);
    // The first one finds the ports that the others share.
    const ports = await gateways.#add(options.settings).catch(async (error: unknown) => {
      await gateways[Symbol.asyncDispose]();
      throw error;
    });
    await Promise.all(Array.from({ length: options.count - 1 }, () => gateways.#add(ports)));
    return gateways;
  }

  #add(ports: Ports): Promise<Ports> {
    const now = { table: () => this.#table, logLevel: () => this.#logLevel };
    const process = new GatewayProcess(this.#processes.length + 1, now, this.#options, {
      port: ports.port,
      grpcPort: ports.grpcPort,
    });
    this.#processes.push(process);
    return process.listening.promise;
  }

  get port(): number {
    return this.#processes[0]?.ports.port ?? 0;
  }

  get grpcPort(): number {
    return this.#processes[0]?.ports.grpcPort ?? 0;
  }

  async apply(table: RoutingTable): Promise<void> {
    this.#table = table;
    await Promise.all(this.#processes.map(process => process.apply(table)));
  }

  /** The statistics of all versions, summed over the gateways. */
  async statistics(): Promise<readonly VersionStatistics[]> {
    return sumOfStatistics((await Promise.all(this.#processes.map(process => process.statistics()))).flat());
  }

  /** Also of gateways that start later. */
  setLogLevel(level: string): void {
    this.#logLevel = level;
    for (const { child } of this.#processes) child.send({ kind: 'log-level', level } satisfies ToGateway);
  }

  status(): ProcessStatus[] {
    return this.#processes.map(process => process.child.status());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#processes.map(process => process.child[Symbol.asyncDispose]()));
  }
}
