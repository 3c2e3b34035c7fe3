import { z } from 'zod';
import { Refusal } from '../refusal.ts';
import type { GrpcMethod } from './grpc-method.ts';
import { grpcStatus } from './status.ts';

const requestSchema = z.object({ service: z.string() });

/** A watched state that changes is told within this. */
const lookEveryMs = 250;

/** gRPC's health protocol: the server as a whole under the empty name, and each of its services. */
export function healthMethods(services: readonly string[], isReady: () => boolean): GrpcMethod[] {
  const statusOf = (service: string): string => {
    if (service !== '' && !services.includes(service)) return 'SERVICE_UNKNOWN';
    return isReady() ? 'SERVING' : 'NOT_SERVING';
  };
  return [
    {
      kind: 'unary',
      path: '/grpc.health.v1.Health/Check',
      answer: request => {
        const { service } = requestSchema.parse(request);
        const status = statusOf(service);
        if (status !== 'SERVICE_UNKNOWN') return { status };
        throw new Refusal('not_found', `unknown service ${service}`, { grpcStatus: grpcStatus.notFound });
      },
    },
    {
      kind: 'subscription',
      path: '/grpc.health.v1.Health/Watch',
      subscribe: (request, publish, signal) => {
        const { service } = requestSchema.parse(request);
        let told = statusOf(service);
        publish({ status: told });
        const looking = setInterval(() => {
          const now = statusOf(service);
          if (now === told) return;
          told = now;
          publish({ status: now });
        }, lookEveryMs);
        looking.unref();
        signal.addEventListener('abort', () => clearInterval(looking), { once: true });
      },
    },
  ];
}
