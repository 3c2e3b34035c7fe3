import { fileURLToPath } from 'node:url';
import { fault, type ProcessStatus } from '@holdfast/api';
import { z } from 'zod';
import type { RoutingTargets } from '../rollout/index.ts';
import type { GatewayReport, RoutingTable } from '../serving/index.ts';
import type { Log } from '../telemetry/index.ts';
import type { GatewayMessage } from './gateway-process.ts';
import type { GatewaySettings } from './gateway-settings.ts';
import { SupervisedChild } from './supervised-child.ts';

/** A gateway that has not taken a routing table by then is restarted by its supervisor or catches up later. */
const routingTimeoutMs = 10_000;

export interface GatewaysOptions {
  readonly count: number;
  readonly settings: Omit<GatewaySettings, 'instance' | 'shared'>;
  readonly log: Log;
  readonly onReport: (gateway: string, report: GatewayReport) => void;
  readonly onEnd: (gateway: string) => void;
  /** A run on this socket takes too long. */
  readonly onHung: (model: string, socket: string) => void;
}

/** The parent wrote the child, so only the discriminator is checked. */
function isFromGateway(message: unknown): message is GatewayMessage {
  return z.object({ kind: z.enum(['listening', 'routed', 'report', 'hung', 'failed']) }).safeParse(message).success;
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
  #routedGeneration = 0;
  #waiting: { readonly generation: number; readonly resolve: () => void }[] = [];

  constructor(index: number, table: () => RoutingTable | undefined, options: GatewaysOptions, ports: Ports) {
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
        instance: index,
        shared: options.count > 1,
      }),
      log: options.log,
      onStart: send => {
        this.#routedGeneration = 0;
        options.onEnd(this.name);
        const current = table();
        if (current !== undefined) send({ kind: 'routing', table: current });
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
        } else options.onReport(this.name, message.report);
      },
    });
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
    const process = new GatewayProcess(this.#processes.length + 1, () => this.#table, this.#options, {
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

  status(): ProcessStatus[] {
    return this.#processes.map(process => process.child.status());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#processes.map(process => process.child[Symbol.asyncDispose]()));
  }
}
