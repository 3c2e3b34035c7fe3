import { parseSelector, type Selector } from '../../traffic/traffic.ts';

/** What a path of MLflow's scoring server asks for. */
export type MlflowRoute =
  | { readonly kind: 'ping' }
  | { readonly kind: 'version' }
  /** Without a model it means the only one. */
  | { readonly kind: 'invocations'; readonly model: string | undefined; readonly selector: Selector };

const perModel = /^\/models\/([^/]+)(?:\/versions\/([^/]+)|\/([^/]+))?\/invocations$/;

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The meaning of a path, or undefined when it is none of this protocol's. */
export function matchMlflow(path: string): MlflowRoute | undefined {
  if (path === '/invocations') return { kind: 'invocations', model: undefined, selector: { kind: 'default' } };
  if (path === '/ping' || path === '/health') return { kind: 'ping' };
  if (path === '/version') return { kind: 'version' };
  const match = perModel.exec(path);
  if (match === null) return undefined;
  const target = match[2] ?? match[3];
  const selector = parseSelector(target === undefined ? undefined : decoded(target));
  return { kind: 'invocations', model: decoded(match[1]!), selector };
}
