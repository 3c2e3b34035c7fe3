import type { en } from './messages-en.ts';

type Translated<T> = T extends string
  ? string
  : T extends (...given: infer Given) => string
    ? (...given: Given) => string
    : { readonly [Key in keyof T]: Translated<T[Key]> };

/** The table of texts that every language fills completely. */
export type Messages = Translated<typeof en>;
