import type { Selector } from '../../traffic/traffic.ts';

/** What a path of the TensorFlow Serving API may be asked with either method. */
export interface TfsRoute {
  readonly post: TfsCall | undefined;
  readonly get: TfsLook | undefined;
}

/** A selector, or digits that make no version number. */
export type TfsSelector = Selector | { readonly kind: 'unconvertible'; readonly text: string };

export interface TfsCall {
  readonly verb: 'predict' | 'classify' | 'regress';
  readonly model: string;
  readonly selector: TfsSelector;
}

export interface TfsLook {
  /** Undefined when the path names no model. */
  readonly model: string | undefined;
  readonly selector: TfsSelector;
  readonly isMetadata: boolean;
}

const target = '(?:/versions/([0-9]+)|/labels/([^/:]+))?';
const call = new RegExp(`^/v1/models/([^/:]+)${target}:(classify|regress|predict)$`, 'i');
const look = new RegExp(`^/v1/models(?:/([^/:]+)${target}(/metadata)?)?$`, 'i');

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function selectorOf(version: string | undefined, label: string | undefined): TfsSelector {
  if (version !== undefined) {
    const number = Number(version);
    if (!Number.isSafeInteger(number)) return { kind: 'unconvertible', text: version };
    return { kind: 'version', version: number };
  }
  return label === undefined ? { kind: 'default' } : { kind: 'alias', alias: decoded(label) };
}

/** The meaning of a path that starts with `/v1`; names and labels are percent-decoded, verbs in any case. */
export function matchTfs(path: string): TfsRoute {
  const asCall = call.exec(path);
  const asLook = look.exec(path);
  const verb = asCall?.[4]?.toLowerCase();
  return {
    post:
      asCall !== null && (verb === 'predict' || verb === 'classify' || verb === 'regress')
        ? { verb, model: decoded(asCall[1]!), selector: selectorOf(asCall[2], asCall[3]) }
        : undefined,
    get:
      asLook === null
        ? undefined
        : {
            model: asLook[1] === undefined ? undefined : decoded(asLook[1]),
            selector: selectorOf(asLook[2], asLook[3]),
            isMetadata: asLook[4] !== undefined,
          },
  };
}
