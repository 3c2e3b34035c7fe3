import type { Param, SpaceSpec } from '../space/params.ts';

/**
 * Differences between a stored space and the present one, as sentences. `breaking` differences leave stored trials
 * without a meaning; the others are safe to accept: an added choice, a changed range, a new parameter with a default.
 */
export interface SpaceDifference {
  readonly what: string;
  readonly breaking: boolean;
}

export function compareSpaces(stored: SpaceSpec, present: SpaceSpec, prefix = ''): readonly SpaceDifference[] {
  const out: SpaceDifference[] = [];
  for (const [key, old] of Object.entries(stored)) {
    const now = present[key];
    if (now === undefined) out.push({ what: `"${prefix}${key}" is gone`, breaking: true });
    else out.push(...compareParams(old, now, prefix + key));
  }
  for (const [key, now] of Object.entries(present))
    if (stored[key] === undefined) out.push({ what: `"${prefix}${key}" is new`, breaking: !hasDefault(now) });
  return out;
}

function hasDefault(param: Param): boolean {
  if (param.type === 'constant') return true;
  if (param.type === 'group') return Object.values(param.space).every(hasDefault);
  return param.default !== undefined;
}

function compareParams(old: Param, now: Param, name: string): readonly SpaceDifference[] {
  if (old.type !== now.type) return [{ what: `"${name}" was ${old.type} and is ${now.type}`, breaking: true }];
  if (old.type === 'group' && now.type === 'group') return compareSpaces(old.space, now.space, `${name}.`);
  if (old.type === 'choice' && now.type === 'choice')
    return Object.keys({ ...old.options, ...now.options }).flatMap(option => {
      const before = old.options[option];
      const after = now.options[option];
      if (!after) return [{ what: `option "${option}" of "${name}" is gone`, breaking: false }];
      if (!before) return [{ what: `option "${option}" of "${name}" is new`, breaking: false }];
      return compareSpaces(before, after, `${name}.${option}.`);
    });
  return JSON.stringify(sorted(old)) === JSON.stringify(sorted(now))
    ? []
    : [{ what: `"${name}" has changed`, breaking: false }];
}

/** The default of a parameter does not change what stored trials mean. */
function sorted(param: Param): object {
  return Object.fromEntries(
    Object.entries(param)
      .filter(([key]) => key !== 'default')
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}
