import { language } from '../app/language.ts';

/** A sentence that the server wrote (in English), as text. */
export function Sentence({ text }: { readonly text: string }) {
  return <span lang={language.value === 'en' ? undefined : 'en'}>{text}</span>;
}
