import { isMessage, type TextField, TextFormatError, type TextMessage, type TextScalar } from './text-format.ts';

/** Valid fields that do nothing here, by name: each is mentioned with its reason. */
type Ignored = Readonly<Record<string, string>>;

/** Takes the fields of one message by their names and types, and remembers what nobody asked for. */
export class TextReader {
  readonly line: number;
  readonly #path: string;
  readonly #message: TextMessage;
  readonly #notes: string[];
  readonly #known = new Set<string>();

  constructor(message: TextMessage, path = '', notes: string[] = []) {
    this.#message = message;
    this.#path = path;
    this.#notes = notes;
    this.line = message.line;
  }

  /** What was skipped, one sentence each. */
  get notes(): readonly string[] {
    return this.#notes;
  }

  #all(name: string): readonly TextField[] {
    this.#known.add(name);
    return this.#message.fields.filter(field => field.name === name);
  }

  #one(name: string): TextField | undefined {
    const [first, second] = this.#all(name);
    if (second !== undefined) throw this.#error(second.line, name, 'is given twice');
    return first;
  }

  #error(line: number, name: string, why: string): TextFormatError {
    return new TextFormatError(line, `field "${this.#path}${name}" ${why}`);
  }

  #scalar(field: TextField, kind: TextScalar['kind'], what: string): string {
    const { value } = field;
    if (isMessage(value) || value.kind !== kind) throw this.#error(field.line, field.name, `must be ${what}`);
    return value.text;
  }

  #whole(field: TextField, minimum: number): number {
    const text = this.#scalar(field, 'number', 'a whole number');
    const value = Number(text);
    if (!Number.isSafeInteger(value)) throw this.#error(field.line, field.name, 'must be a whole number');
    if (value < minimum) throw this.#error(field.line, field.name, `must be ${minimum} or more, not ${text}`);
    return value;
  }

  string(name: string): string | undefined {
    const field = this.#one(name);
    return field && this.#scalar(field, 'string', 'a string in quotes');
  }

  whole(name: string, minimum: number): number | undefined {
    const field = this.#one(name);
    return field && this.#whole(field, minimum);
  }

  wholes(name: string, minimum: number): readonly number[] {
    return this.#all(name).map(field => this.#whole(field, minimum));
  }

  strings(name: string): readonly string[] {
    return this.#all(name).map(field => this.#scalar(field, 'string', 'a string in quotes'));
  }

  flag(name: string): boolean | undefined {
    const field = this.#one(name);
    if (field === undefined) return undefined;
    const text = isMessage(field.value) || field.value.kind === 'string' ? '' : field.value.text.toLowerCase();
    if (text === 'true' || text === 't' || text === '1') return true;
    if (text === 'false' || text === 'f' || text === '0') return false;
    throw this.#error(field.line, name, 'must be true or false');
  }

  /** The name of an enum value. */
  word(name: string): string | undefined {
    const field = this.#one(name);
    return field && this.#scalar(field, 'word', 'a name without quotes');
  }

  message(name: string): TextReader | undefined {
    return this.#inside(name, this.#one(name));
  }

  messages(name: string): readonly TextReader[] {
    return this.#all(name).map(field => this.#inside(name, field)!);
  }

  #inside(name: string, field: TextField | undefined): TextReader | undefined {
    if (field === undefined) return undefined;
    if (!isMessage(field.value)) throw this.#error(field.line, name, 'must be a message in braces');
    return new TextReader(field.value, `${this.#path}${name}.`, this.#notes);
  }

  /** A map of strings to strings: `name { key: "K" value: "V" }`. */
  texts(name: string): ReadonlyMap<string, string> {
    const entries = this.messages(name).map(entry => {
      const pair = [entry.string('key') ?? '', entry.string('value') ?? ''] as const;
      entry.end();
      return pair;
    });
    return new Map(entries);
  }

  /** A map of strings to messages. */
  entries(name: string): ReadonlyMap<string, TextReader> {
    const entries = this.messages(name).map(entry => {
      const key = entry.string('key') ?? '';
      const value = entry.message('value');
      if (value === undefined) throw entry.refusal('value', 'is missing');
      entry.end();
      return [key, value] as const;
    });
    return new Map(entries);
  }

  /** A map of numbers to messages. */
  numbered(name: string): ReadonlyMap<number, TextReader> {
    const entries = this.messages(name).map(entry => {
      const key = entry.whole('key', 0) ?? 0;
      const value = entry.message('value');
      if (value === undefined) throw entry.refusal('value', 'is missing');
      entry.end();
      return [key, value] as const;
    });
    return new Map(entries);
  }

  /** Why a field cannot be served, with its line. */
  refusal(name: string, why: string): TextFormatError {
    const field = this.#message.fields.find(candidate => candidate.name === name);
    return this.#error(field?.line ?? this.line, name, why);
  }

  /** Refuses a field that would change the answers. */
  refuse(name: string, why: string): void {
    if (this.#all(name).length > 0) throw this.refusal(name, why);
  }

  note(name: string, why: string): void {
    const field = this.#message.fields.find(candidate => candidate.name === name);
    this.#notes.push(`line ${field?.line ?? this.line}: field "${this.#path}${name}" ${why}`);
  }

  /** After the last field was taken: mentions what is ignored, and refuses what no model configuration has. */
  end(ignored: Ignored = {}): void {
    for (const { name, line } of this.#message.fields) {
      if (this.#known.has(name)) continue;
      const why = Object.hasOwn(ignored, name) ? ignored[name] : undefined;
      if (why === undefined) throw this.#error(line, name, 'is not known');
      this.#known.add(name);
      this.#notes.push(`line ${line}: field "${this.#path}${name}" ${why}`);
    }
  }
}
