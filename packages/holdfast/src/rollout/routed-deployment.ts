import type { Deployment, Target } from '@holdfast/api';
import type { RoutedDeployment } from '../serving/index.ts';

/** Numbers of outputs that differ by less than this share agree, unless a rollout says otherwise. */
const defaultTolerance = 0.05;

/** Turns the names in a declared deployment into versions. What an alias nobody holds would get is left to the champion. */
export function routedDeployment(
  spec: Deployment,
  seq: number,
  aliases: Readonly<Record<string, number>>,
): RoutedDeployment {
  const versionOf = (target: Target): number | undefined => (typeof target === 'number' ? target : aliases[target]);
  const shares = <T extends { readonly version: Target; readonly percent: number }>(entries: readonly T[]) =>
    entries.flatMap(({ version, percent }) => {
      const number = versionOf(version);
      return number === undefined ? [] : [{ version: number, weight: Math.round(percent * 100) }];
    });
  return {
    release: 'deployment',
    stage: seq,
    salt: spec.salt,
    sticky: spec.sticky,
    challengers: shares(spec.split),
    shadows: shares(spec.shadow).map(share => ({ ...share, tolerance: defaultTolerance })),
    rules: spec.rules.flatMap(({ when, version }) => {
      const number = versionOf(version);
      return number === undefined ? [] : [{ version: number, conditions: Array.isArray(when) ? when : [when] }];
    }),
  };
}

/** The versions that a deployment needs in memory. */
export function versionsOf({ challengers, shadows, rules }: RoutedDeployment): readonly number[] {
  return [...challengers, ...shadows, ...rules].map(({ version }) => version);
}
