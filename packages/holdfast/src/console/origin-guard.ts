import { fault } from '@holdfast/api';
import type { FastifyInstance, FastifyRequest } from 'fastify';

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

function isSameOrigin(request: FastifyRequest): boolean {
  const { origin } = request.headers;
  if (request.headers['sec-fetch-site'] === 'cross-site') return false;
  if (origin === undefined) return true;
  try {
    return new URL(origin).host === request.headers.host;
  } catch {
    return false;
  }
}

/**
 * Keeps a page of another site from talking to control through the user's browser: only known host names are answered
 * (so that DNS rebinding finds nobody), and a request that another origin sent is refused, whatever its method.
 */
export function guardOrigin(app: FastifyInstance, hosts: readonly string[]): void {
  const known = new Set(['localhost', '127.0.0.1', '[::1]', ...hosts.map(host => host.toLowerCase())]);
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(securityHeaders);
    const host = request.headers.host ?? '';
    if (!known.has(hostNameOf(host))) throw fault('misdirected', host.slice(0, 100));
    if (!isSameOrigin(request)) throw fault('forbidden_origin');
  });
}
