import { fault } from '@holdfast/api';

export type TokenKind = 'number' | 'text' | 'name' | 'operator' | 'end';

export interface Token {
  readonly kind: TokenKind;
  /** Without quotes; operators and numbers as written. */
  readonly text: string;
  /** A name written in double quotes is never a keyword. */
  readonly isQuoted: boolean;
  /** Position in the condition, from 1. */
  readonly at: number;
}

const patterns: readonly (readonly [TokenKind, RegExp])[] = [
  ['number', /(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?/y],
  ['text', /'(?:[^']|'')*'/y],
  ['name', /"(?:[^"]|"")+"/y],
  // Columns of a tensor are called `tensor[0]`, so a bare name may end in such an index.
  ['name', /[\p{L}_][\p{L}\p{N}_]*(?:\[\d+\])*/uy],
  ['operator', /<=|>=|<>|!=|==|[-+*/%<>=(),.]/y],
];

function unquoted(kind: TokenKind, text: string): string {
  if (kind === 'text') return text.slice(1, -1).replaceAll("''", "'");
  if (kind === 'name' && text.startsWith('"')) return text.slice(1, -1).replaceAll('""', '"');
  return text;
}

/** An error in a user's condition that says where it is. */
export function whereFault(why: string, token: Token) {
  return fault('bad_request', `where: ${why} at position ${token.at}`);
}

/** @throws Fault `bad_request` on a character that no condition contains */
export function tokenizeWhere(condition: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  for (;;) {
    while (at < condition.length && /\s/.test(condition[at]!)) at += 1;
    if (at >= condition.length) break;
    const token = nextToken(condition, at);
    if (token === undefined) {
      throw fault('bad_request', `where: "${condition[at]}" is not understood at position ${at + 1}`);
    }
    tokens.push(token.token);
    at = token.end;
  }
  tokens.push({ kind: 'end', text: 'the end', isQuoted: false, at: condition.length + 1 });
  return tokens;
}

function nextToken(condition: string, at: number): { readonly token: Token; readonly end: number } | undefined {
  for (const [kind, pattern] of patterns) {
    pattern.lastIndex = at;
    const match = pattern.exec(condition);
    if (match === null) continue;
    const [text] = match;
    const token = { kind, text: unquoted(kind, text), isQuoted: text.startsWith('"'), at: at + 1 };
    return { token, end: at + text.length };
  }
  return undefined;
}
