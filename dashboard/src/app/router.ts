import { signal } from '@preact/signals';

/** Which page an address means. */
export type Route =
  | { readonly page: 'fleet' }
  | { readonly page: 'model'; readonly name: string }
  | { readonly page: 'alerts' }
  | { readonly page: 'studies' }
  | { readonly page: 'study'; readonly name: string }
  | { readonly page: 'lost' };

export function routeOf(pathname: string): Route {
  const parts = pathname.split('/').filter(part => part !== '');
  if (parts.length === 0) return { page: 'fleet' };
  if (parts.length === 1 && parts[0] === 'alerts') return { page: 'alerts' };
  if (parts.length === 1 && parts[0] === 'studies') return { page: 'studies' };
  if (parts.length === 2 && (parts[0] === 'models' || parts[0] === 'studies')) {
    try {
      return { page: parts[0] === 'models' ? 'model' : 'study', name: decodeURIComponent(parts[1]!) };
    } catch {
      return { page: 'lost' };
    }
  }
  return { page: 'lost' };
}

export function modelPath(name: string): string {
  return `/models/${encodeURIComponent(name)}`;
}

export function studyPath(name: string): string {
  return `/studies/${encodeURIComponent(name)}`;
}

interface Place {
  readonly path: string;
  readonly query: URLSearchParams;
}

function here(): Place {
  return typeof location === 'undefined'
    ? { path: '/', query: new URLSearchParams() }
    : { path: location.pathname, query: new URLSearchParams(location.search) };
}

/** Where the reader is. */
export const place = signal<Place>(here());

/** Goes to another page: a new history entry, scrolled to its top, focus on its heading. */
export function navigate(path: string): void {
  history.pushState(null, '', path);
  place.value = here();
  scrollTo(0, 0);
  requestAnimationFrame(() => document.querySelector<HTMLElement>('h1')?.focus({ preventScroll: true }));
}

/** Changes the query of this page without leaving it. */
export function replaceQuery(change: (query: URLSearchParams) => void): void {
  const query = new URLSearchParams(place.value.query);
  change(query);
  const text = query.toString();
  history.replaceState(null, '', `${place.value.path}${text === '' ? '' : `?${text}`}`);
  place.value = here();
}

export function startRouter(): void {
  addEventListener('popstate', () => {
    place.value = here();
  });
}
