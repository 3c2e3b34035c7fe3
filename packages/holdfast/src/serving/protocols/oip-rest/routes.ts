interface Methods {
  readonly method: 'GET' | 'POST';
  /** A second method that it takes. */
  readonly other?: 'POST';
}

/** A path of the Open Inference Protocol, and the methods it takes. */
export type OipRoute = Methods &
  (
    | { readonly kind: 'live' | 'ready' | 'server' | 'models'; readonly method: 'GET' }
    | {
        readonly kind: 'model' | 'model-ready' | 'config';
        readonly method: 'GET';
        readonly model: string;
        readonly version: string | undefined;
      }
    | { readonly kind: 'infer'; readonly method: 'POST'; readonly model: string; readonly version: string | undefined }
    | {
        readonly kind: 'stats';
        readonly method: 'GET';
        readonly model: string | undefined;
        readonly version: string | undefined;
      }
    | { readonly kind: 'index'; readonly method: 'POST' }
    | { readonly kind: 'load' | 'unload'; readonly method: 'POST'; readonly model: string }
    | { readonly kind: 'logging'; readonly method: 'GET' }
    | { readonly kind: 'trace'; readonly method: 'GET'; readonly model: string | undefined }
    /** What Triton has and Holdfast does not serve: 501, so that clients fall back. */
    | { readonly kind: 'unsupported'; readonly method: 'GET' | 'POST'; readonly what: string }
  );

const fixed: Readonly<Record<string, OipRoute>> = {
  '/v2': { kind: 'server', method: 'GET' },
  '/v2/': { kind: 'server', method: 'GET' },
  '/v2/health/live': { kind: 'live', method: 'GET' },
  '/v2/health/ready': { kind: 'ready', method: 'GET' },
  '/v2/models': { kind: 'models', method: 'GET' },
  '/v2/models/stats': { kind: 'stats', method: 'GET', model: undefined, version: undefined },
  '/v2/repository/index': { kind: 'index', method: 'POST' },
  '/v2/logging': { kind: 'logging', method: 'GET', other: 'POST' },
  '/v2/trace/setting': { kind: 'trace', method: 'GET', other: 'POST', model: undefined },
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

/** Paths behind `/v2/repository`, with or without the name of a repository, which nobody can choose here. */
function matchRepository(parts: readonly string[]): OipRoute | undefined {
  const last = parts.at(-1);
  if (parts[0] === 'models' && parts.length === 3 && (last === 'load' || last === 'unload')) {
    const model = decodeSegment(parts[1]!);
    return model === undefined ? undefined : { kind: last, method: 'POST', model };
  }
  const isNamed = (parts.length === 2 && last === 'index') || (parts.length === 4 && parts[1] === 'models');
  return isNamed ? { kind: 'unsupported', method: 'POST', what: "'repository_name' specification" } : undefined;
}

/** The route of a path that starts with `/v2`; undefined when there is none. */
export function matchOip(path: string): OipRoute | undefined {
  if (Object.hasOwn(fixed, path)) return fixed[path];
  const parts = path.split('/');
  if (parts[2] === 'repository') return matchRepository(parts.slice(3));
  if (/^(system|cuda)sharedmemory$/.test(parts[2] ?? '')) {
    return { kind: 'unsupported', method: 'GET', other: 'POST', what: 'shared memory' };
  }
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
  if (rest[0] === 'trace' && rest[1] === 'setting' && rest.length === 2) {
    return { kind: 'trace', method: 'GET', other: 'POST', model };
  }
  if (rest.length > 1) return undefined;
  switch (rest[0]) {
    case undefined:
      return { kind: 'model', method: 'GET', model, version };
    case 'ready':
      return { kind: 'model-ready', method: 'GET', model, version };
    case 'config':
      return { kind: 'config', method: 'GET', model, version };
    case 'stats':
      return { kind: 'stats', method: 'GET', model, version };
    case 'generate':
    case 'generate_stream':
      return { kind: 'unsupported', method: 'POST', what: `the ${rest[0]} extension` };
    case 'infer':
      return { kind: 'infer', method: 'POST', model, version };
    default:
      return undefined;
  }
}
