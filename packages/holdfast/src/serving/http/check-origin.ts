import { fault } from '@holdfast/api';
import type { Exchange } from './exchange.ts';

/**
 * A page of another site must not change anything here from a visitor's browser: not the labels that steer retraining, and
 * not what is served.
 * @throws Fault `forbidden_origin`
 */
export function checkOrigin({ headers }: Pick<Exchange, 'headers'>): void {
  const { origin, host } = headers;
  if (origin === undefined) return;
  const isOwn = host !== undefined && (origin === `http://${host}` || origin === `https://${host}`);
  if (!isOwn) throw fault('forbidden_origin');
}
