/** A message in protobuf text format, read without its schema. */
export interface TextMessage {
  readonly line: number;
  readonly fields: readonly TextField[];
}

export interface TextField {
  readonly name: string;
  readonly line: number;
  readonly value: TextScalar | TextMessage;
}

/** `word` is an enum name, `true`, `inf` and the like; a number is kept as it was written. */
export interface TextScalar {
  readonly kind: 'string' | 'number' | 'word';
  readonly text: string;
  readonly line: number;
}

export function isMessage(value: TextScalar | TextMessage): value is TextMessage {
  return 'fields' in value;
}

/** What is wrong, with its line. */
export class TextFormatError extends Error {
  override readonly name = 'TextFormatError';

  constructor(line: number, why: string) {
    super(`line ${line}: ${why}`);
  }
}

/** A configuration is a page or two; what is larger was not written by a person. */
const maximumCharacters = 1024 * 1024;
const maximumDepth = 32;
const maximumFields = 50_000;

type Token = TextScalar | { readonly kind: 'mark' | 'end'; readonly text: string; readonly line: number };

const space = /(?:[ \t\r\n\f\v]+|#[^\n]*)+/y;
const word = /[A-Za-z_][A-Za-z0-9_.]*/y;
const number = /(?:0[xX][0-9a-fA-F]+|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[fF]?)/y;
const text = /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/y;

const escapes: Readonly<Record<string, string>> = {
  n: '\n',
  r: '\r',
  t: '\t',
  a: '\x07',
  b: '\b',
  f: '\f',
  v: '\v',
  '\\': '\\',
  "'": "'",
  '"': '"',
  '?': '?',
};

function unescaped(body: string, line: number): string {
  return body.replaceAll(
    /\\(?:x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|([0-7]{1,3})|(.))/g,
    (_, hex, unicode, octal, one) => {
      const code = hex ?? unicode;
      if (code !== undefined) return String.fromCharCode(Number.parseInt(String(code), 16));
      if (octal !== undefined) return String.fromCharCode(Number.parseInt(String(octal), 8));
      const plain = escapes[String(one)];
      if (plain === undefined) throw new TextFormatError(line, `"\\${one}" is no escape`);
      return plain;
    },
  );
}

/** Takes text apart into words, numbers, strings and marks. */
class Lexer {
  readonly #source: string;
  #at = 0;
  #line = 1;
  #next: Token;

  constructor(source: string) {
    this.#source = source;
    this.#next = this.#read();
  }

  get next(): Token {
    return this.#next;
  }

  take(): Token {
    const token = this.#next;
    this.#next = this.#read();
    return token;
  }

  takeIf(...marks: readonly string[]): boolean {
    const isMark = this.#next.kind === 'mark' && marks.includes(this.#next.text);
    if (isMark) this.take();
    return isMark;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#source)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #read(): Token {
    const blank = this.#match(space) ?? '';
    this.#line += blank.split('\n').length - 1;
    const line = this.#line;
    if (this.#at >= this.#source.length) return { kind: 'end', text: 'the end of the file', line };
    const name = this.#match(word);
    if (name !== undefined) return { kind: 'word', text: name, line };
    const digits = this.#match(number);
    if (digits !== undefined) return { kind: 'number', text: digits, line };
    const quoted = this.#match(text);
    if (quoted !== undefined) return { kind: 'string', text: unescaped(quoted.slice(1, -1), line), line };
    const mark = this.#source[this.#at] ?? '';
    if (mark === '"' || mark === "'") throw new TextFormatError(line, 'a string does not end on its line');
    if (!'{}<>[]:,;-'.includes(mark)) throw new TextFormatError(line, `"${mark}" is not expected here`);
    this.#at++;
    return { kind: 'mark', text: mark, line };
  }
}

class Parser {
  readonly #lexer: Lexer;
  #fields = 0;

  constructor(source: string) {
    this.#lexer = new Lexer(source);
  }

  message(end: '}' | '>' | undefined, depth: number, line: number): TextMessage {
    if (depth > maximumDepth) throw new TextFormatError(line, `more than ${maximumDepth} messages inside one another`);
    const fields: TextField[] = [];
    for (;;) {
      const { next } = this.#lexer;
      if (end !== undefined && this.#lexer.takeIf(end)) break;
      if (next.kind === 'end') {
        if (end === undefined) break;
        throw new TextFormatError(next.line, `the message that began on line ${line} is not closed with "${end}"`);
      }
      this.#field(fields, depth);
      this.#lexer.takeIf(',', ';');
    }
    return { line, fields };
  }

  #field(fields: TextField[], depth: number): void {
    const { kind, text: name, line } = this.#lexer.take();
    if (kind !== 'word') throw new TextFormatError(line, `the name of a field is expected, not ${quote(name)}`);
    const hasColon = this.#lexer.takeIf(':');
    const add = (value: TextField['value']): void => {
      this.#fields++;
      if (this.#fields > maximumFields) throw new TextFormatError(line, `more than ${maximumFields} fields`);
      fields.push({ name, line, value });
    };
    if (this.#lexer.takeIf('[')) {
      if (this.#lexer.takeIf(']')) return;
      do add(this.#value(name, hasColon, depth));
      while (this.#lexer.takeIf(','));
      const { line: at, text: found } = this.#lexer.next;
      if (!this.#lexer.takeIf(']')) throw new TextFormatError(at, `the list of "${name}" goes on with ${quote(found)}`);
    } else add(this.#value(name, hasColon, depth));
  }

  #value(name: string, hasColon: boolean, depth: number): TextScalar | TextMessage {
    const { line } = this.#lexer.next;
    if (this.#lexer.takeIf('{')) return this.message('}', depth + 1, line);
    if (this.#lexer.takeIf('<')) return this.message('>', depth + 1, line);
    if (!hasColon) throw new TextFormatError(line, `":" or "{" is expected after "${name}"`);
    const sign = this.#lexer.takeIf('-') ? '-' : '';
    const token = this.#lexer.take();
    if (token.kind === 'mark' || token.kind === 'end' || (sign !== '' && token.kind === 'string'))
      throw new TextFormatError(token.line, `"${name}" has no value, but ${quote(token.text)}`);
    if (token.kind !== 'string') return { kind: token.kind, text: sign + token.text, line };
    let joined = token.text;
    // Strings that follow one another are one string.
    while (this.#lexer.next.kind === 'string') joined += this.#lexer.take().text;
    return { kind: 'string', text: joined, line };
  }
}

function quote(found: string): string {
  return found.startsWith('the end') ? found : `"${found.slice(0, 40)}"`;
}

/**
 * Reads protobuf text format without a schema: comments, both kinds of braces, lists, strings that follow one another.
 * Extensions and `Any` in brackets are no part of a model configuration and are refused.
 *
 * @throws TextFormatError for text that is too large, too deep or not well formed
 */
export function parseTextFormat(source: string): TextMessage {
  if (source.length > maximumCharacters) throw new TextFormatError(1, 'the file is larger than 1 MiB');
  return new Parser(source).message(undefined, 0, 1);
}
