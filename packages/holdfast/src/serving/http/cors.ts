import type { Reply } from './exchange.ts';

/** What a page may read of an answer besides what every page may. */
const exposed = ['Inference-Header-Content-Length', 'Retry-After', 'x-holdfast-prediction-id', 'x-holdfast-version'];
/** How long a browser need not ask again, in seconds; what browsers cap is less than a day. */
const maximumAgeSeconds = 7200;
/** Names of headers, as browsers list them. */
const headerList = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+(?:\s*,\s*[A-Za-z0-9!#$%&'*+.^_`|~-]+)*$/;

/** Which pages of other origins may ask and read the answers (the Fetch standard's CORS). No cookies are involved. */
export class CorsPolicy {
  readonly #origins: ReadonlySet<string>;

  /** @param origins such as `https://app.example.com`; `*` is every one */
  constructor(origins: readonly string[]) {
    this.#origins = new Set(origins);
  }

  #allows(origin: string | undefined): origin is string {
    return origin !== undefined && (this.#origins.has('*') || this.#origins.has(origin));
  }

  /** What an answer to this origin says, name and value in turn. */
  headersFor(origin: string | undefined): readonly string[] {
    const isAnyone = this.#origins.has('*');
    const vary = isAnyone ? [] : ['Vary', 'Origin'];
    if (!this.#allows(origin)) return vary;
    const allowed = ['Access-Control-Allow-Origin', isAnyone ? '*' : origin];
    return [...allowed, ...vary, 'Access-Control-Expose-Headers', exposed.join(', ')];
  }

  /**
   * The answer to a browser that asks before it sends: any header may be sent, since callers choose those that
   * deployments look at. Undefined when the request is no such question, or not from an origin that may ask.
   */
  preflight(method: string, header: (name: string) => string | undefined): Reply | undefined {
    const asked = header('access-control-request-method');
    if (method !== 'OPTIONS' || asked === undefined || !this.#allows(header('origin'))) return undefined;
    const wanted = header('access-control-request-headers');
    return {
      status: 200,
      contentType: 'application/json',
      headers: [
        ...['Access-Control-Allow-Methods', 'GET, HEAD, POST'],
        ...(wanted !== undefined && headerList.test(wanted) ? ['Access-Control-Allow-Headers', wanted] : []),
        ...['Access-Control-Max-Age', String(maximumAgeSeconds)],
      ],
      body: '',
    };
  }
}
