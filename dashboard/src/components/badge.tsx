import type { ComponentChildren } from 'preact';
import { Icon, type IconName } from './icon.tsx';

export type Tone = 'good' | 'bad' | 'warn' | 'quiet';

const icons: Readonly<Record<Tone, IconName>> = { good: 'check', bad: 'diamond', warn: 'alert', quiet: 'minus' };

/** A state in a word: colour, shape and text say the same. */
export function Badge({
  tone,
  children,
  icon,
}: {
  readonly tone: Tone;
  readonly children: ComponentChildren;
  readonly icon?: IconName;
}) {
  return (
    <span class={`badge ${tone}`}>
      <Icon name={icon ?? icons[tone]} />
      {children}
    </span>
  );
}
