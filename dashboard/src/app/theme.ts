import { effect, signal } from '@preact/signals';

export type ThemeChoice = 'system' | 'light' | 'dark';
const key = 'holdfast.theme';
const choices: readonly ThemeChoice[] = ['system', 'light', 'dark'];

function stored(): ThemeChoice {
  try {
    const raw = localStorage.getItem(key);
    return choices.find(choice => choice === raw) ?? 'system';
  } catch {
    return 'system';
  }
}

/** What the reader chose; `system` follows the operating system. */
export const theme = signal<ThemeChoice>('system');
/** Whether the page is dark now; charts redraw when it changes. */
export const isDark = signal(false);

export function nextTheme(now: ThemeChoice): ThemeChoice {
  return choices[(choices.indexOf(now) + 1) % choices.length]!;
}

export function startTheme(): void {
  theme.value = stored();
  const system = matchMedia('(prefers-color-scheme: dark)');
  const apply = (): void => {
    const root = document.documentElement;
    if (theme.value === 'system') root.removeAttribute('data-theme');
    else root.setAttribute('data-theme', theme.value);
    isDark.value = theme.value === 'dark' || (theme.value === 'system' && system.matches);
  };
  system.addEventListener('change', apply);
  effect(apply);
}

export function chooseTheme(choice: ThemeChoice): void {
  theme.value = choice;
  try {
    localStorage.setItem(key, choice);
  } catch {
    // Storage is refused (private window): the choice lasts for this page only.
  }
}
