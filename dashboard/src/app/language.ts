import { computed, effect, signal } from '@preact/signals';
import { type Format, formatFor } from './format.ts';
import type { Messages } from './messages.ts';
import { en } from './messages-en.ts';
import { zh } from './messages-zh.ts';

export type Language = 'en' | 'zh-CN';
const key = 'holdfast.language';
const tables: Readonly<Record<Language, Messages>> = { en, 'zh-CN': zh };

/** The first of the reader's languages that the page speaks; English when it speaks none of them. */
export function languageFor(wanted: readonly string[]): Language {
  for (const tag of wanted) {
    if (/^zh\b/i.test(tag)) return 'zh-CN';
    if (/^en\b/i.test(tag)) return 'en';
  }
  return 'en';
}

export const language = signal<Language>('en');
export const messages = computed<Messages>(() => tables[language.value]);
export const format = computed<Format>(() => formatFor(language.value));

function stored(): Language | undefined {
  try {
    const raw = localStorage.getItem(key);
    return raw === 'en' || raw === 'zh-CN' ? raw : undefined;
  } catch {
    return undefined;
  }
}

export function startLanguage(): void {
  language.value = stored() ?? languageFor(navigator.languages);
  effect(() => {
    document.documentElement.lang = language.value;
  });
}

export function chooseLanguage(choice: Language): void {
  language.value = choice;
  try {
    localStorage.setItem(key, choice);
  } catch {
    // Storage is refused (private window): the choice lasts for this page only.
  }
}
