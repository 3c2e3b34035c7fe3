import type { IncomingHttpHeaders } from 'node:http';
import { type Fault, fault } from '@holdfast/api';
import type { FastifyInstance } from 'fastify';

/** Everything the page needs comes from its own origin; nothing may frame it. Sent with every answer. */
const securityHeaders: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; img-src 'self' data:; " +
    "font-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};

function hostNameOf(host: string): string {
  const name = host.startsWith('[') ? host.slice(0, host.indexOf(']') + 1) : host.split(':')[0]!;
  return name.toLowerCase();
}

function isSameOrigin(headers: IncomingHttpHeaders): boolean {
  const { origin } = headers;
  if (headers['sec-fetch-site'] === 'cross-site') return false;
  if (origin === undefined) return true;
  try {
    return new URL(origin).host === headers.host;
  } catch {
    return false;
  }
}

/**
 * Keeps a page of another site from talking to control through the user's browser: only known host names are answered
 * (so that DNS rebinding finds nobody), and a request that another origin sent is refused, whatever its method.
 *
 * @param hosts host names answered besides the loopback ones
 * @returns what says why a request with these headers is refused; undefined when it is not
 */
export function originGuard(hosts: readonly string[]): (headers: IncomingHttpHeaders) => Fault | undefined {
  const known = new Set(['localhost', '127.0.0.1', '[::1]', ...hosts.map(host => host.toLowerCase())]);
  return headers => {
    const host = headers.host ?? '';
    if (!known.has(hostNameOf(host))) return fault('misdirected', host.slice(0, 100));
    return isSameOrigin(headers) ? undefined : fault('forbidden_origin');
  };
}

/** Guards a server by `originGuard`, and sends the security headers with every answer. */
export function guardOrigin(app: FastifyInstance, hosts: readonly string[]): void {
  const refusalOf = originGuard(hosts);
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(securityHeaders);
    const refusal = refusalOf(request.headers);
    if (refusal !== undefined) throw refusal;
  });
}
