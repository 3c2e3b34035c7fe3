/** A path of the Open Inference Protocol, and the method it takes. */
export type OipRoute =
  | { readonly kind: 'live' | 'ready' | 'server' | 'models'; readonly method: 'GET' }
  | {
      readonly kind: 'model' | 'model-ready' | 'config';
      readonly method: 'GET';
      readonly model: string;
      readonly version: string | undefined;
    }
  | { readonly kind: 'infer'; readonly method: 'POST'; readonly model: string; readonly version: string | undefined };

const fixed: Readonly<Record<string, OipRoute>> = {
  '/v2': { kind: 'server', method: 'GET' },
  '/v2/': { kind: 'server', method: 'GET' },
  '/v2/health/live': { kind: 'live', method: 'GET' },
  '/v2/health/ready': { kind: 'ready', method: 'GET' },
  '/v2/models': { kind: 'models', method: 'GET' },
};

/** A path segment as text; undefined when its percent signs are wrong. */
export function decodeSegment(segment: string): string | undefined {
  if (!segment.includes('%')) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}

/** The route of a path that starts with `/v2`; undefined when there is none. */
export function matchOip(path: string): OipRoute | undefined {
  if (Object.hasOwn(fixed, path)) return fixed[path];
  const parts = path.split('/');
  if (parts.length < 4 || parts.length > 7 || parts[1] !== 'v2' || parts[2] !== 'models') return undefined;
  const model = decodeSegment(parts[3]!);
  if (model === undefined || model === '') return undefined;
  let rest = parts.slice(4);
  let version: string | undefined;
  if (rest[0] === 'versions') {
    version = decodeSegment(rest[1] ?? '');
    if (version === undefined || version === '') return undefined;
    rest = rest.slice(2);
  }
  if (rest.length > 1) return undefined;
  switch (rest[0]) {
    case undefined:
      return { kind: 'model', method: 'GET', model, version };
    case 'ready':
      return { kind: 'model-ready', method: 'GET', model, version };
    case 'config':
      return { kind: 'config', method: 'GET', model, version };
    case 'infer':
      return { kind: 'infer', method: 'POST', model, version };
    default:
      return undefined;
  }
}
