import { fault } from '@holdfast/api';

/** Splits a command line into words: blanks separate, quotes of both kinds keep together, a backslash takes the next character as it is. No shell is involved. */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let i = 0; i < line.length; i++) {
    const char = line[i]!;
    if (char === '\\' && quote !== "'") {
      word = (word ?? '') + (line[++i] ?? '');
    } else if (quote !== '') {
      if (char === quote) quote = '';
      else word = (word ?? '') + char;
    } else if (char === '"' || char === "'") {
      quote = char;
      word ??= '';
    } else if (/\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? '') + char;
  }
  if (quote !== '') throw fault('bad_request', `command: the quote ${quote} is never closed`);
  if (word !== undefined) words.push(word);
  return words;
}

const placeholder = /\{(@?[A-Za-z_][\w.-]*)\}/g;

/** The names between braces in the words of a command. */
export function placeholdersOf(words: readonly string[]): string[] {
  return words.flatMap(word => [...word.matchAll(placeholder)].map(match => match[1] ?? ''));
}

/** Puts values into words; a word that names a parameter which does not exist in this configuration is left out. */
export function fillWords(words: readonly string[], values: ReadonlyMap<string, string>): string[] {
  return words
    .filter(word => placeholdersOf([word]).every(name => values.has(name)))
    .map(word => word.replaceAll(placeholder, (_, name: string) => values.get(name) ?? ''));
}
