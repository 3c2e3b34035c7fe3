import type { ComponentChildren } from 'preact';
import { navigate } from '../app/router.ts';

interface LinkProps {
  readonly to: string;
  readonly children: ComponentChildren;
  readonly class?: string;
  readonly isCurrent?: boolean;
}

/** A link inside the page; new tabs and modifier keys work as everywhere. */
export function Link({ to, children, class: className, isCurrent }: LinkProps) {
  const follow = (event: MouseEvent): void => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    navigate(to);
  };
  return (
    <a href={to} class={className ?? ''} onClick={follow} aria-current={isCurrent === true ? 'page' : undefined}>
      {children}
    </a>
  );
}
