import { literal } from './duck.ts';
import { type Token, tokenizeWhere, whereFault } from './where-tokens.ts';

/** What an expression yields. A time is a number of ms since the epoch that may be compared with ISO text. */
export type WhereType = 'number' | 'text' | 'boolean' | 'time';

/** A column that a condition may name, and how to read it. */
export interface WhereColumn {
  readonly sql: string;
  readonly type: WhereType;
}

/** Resolves a name, with its qualifier (`input`, `output` or `tags`) when it has one; undefined when nothing has it. */
export type WhereScope = (name: string, qualifier: string | undefined) => WhereColumn | undefined;

interface Expression {
  readonly sql: string;
  readonly type: WhereType | 'null';
  /** The text of a literal, which takes the type of what it is compared with. */
  readonly text?: string;
}

interface AllowedFunction {
  readonly takes: readonly WhereType[];
  readonly gives: WhereType;
}

const numeric: AllowedFunction = { takes: ['number'], gives: 'number' };
const textual: AllowedFunction = { takes: ['text'], gives: 'text' };
const search: AllowedFunction = { takes: ['text', 'text'], gives: 'boolean' };
const functions: Readonly<Record<string, AllowedFunction>> = {
  abs: numeric,
  ceil: numeric,
  exp: numeric,
  floor: numeric,
  ln: numeric,
  round: numeric,
  sqrt: numeric,
  lower: textual,
  trim: textual,
  upper: textual,
  length: { takes: ['text'], gives: 'number' },
  contains: search,
  starts_with: search,
  ends_with: search,
};

const comparisons = new Map([
  ['=', '='],
  ['==', '='],
  ['!=', '<>'],
  ['<>', '<>'],
  ['<', '<'],
  ['<=', '<='],
  ['>', '>'],
  ['>=', '>='],
]);
const mostDepth = 64;

/**
 * Turns a user's condition into SQL. The condition is parsed completely and written anew from its parts, so nothing of it
 * reaches the database but comparisons, arithmetic, allowed functions and literals over the columns in scope.
 *
 *     condition  = and { "or" and }          and = not { "and" not }        not = [ "not" ] test
 *     test       = sum [ comparison sum | [not] in (sum, ...) | [not] between sum and sum | [not] [i]like text | is [not] null ]
 *     sum        = product { (+|-) product } product = unary { (*|/|%) unary }
 *     unary      = [ - ] atom                atom = number | text | true | false | null | name | function(...) | (condition)
 */
class WhereParser {
  readonly #tokens: readonly Token[];
  readonly #scope: WhereScope;
  #next = 0;
  #depth = 0;

  constructor(condition: string, scope: WhereScope) {
    this.#tokens = tokenizeWhere(condition);
    this.#scope = scope;
  }

  parse(): string {
    const condition = this.#condition();
    const rest = this.#token;
    if (rest.kind !== 'end') throw whereFault(`"${rest.text}" is not expected`, rest);
    if (condition.type !== 'boolean') throw whereFault('a condition is expected, such as x > 1,', this.#tokens[0]!);
    return condition.sql;
  }

  get #token(): Token {
    return this.#tokens[this.#next]!;
  }

  #isWord(word: string, ahead = 0): boolean {
    const token = this.#tokens[this.#next + ahead];
    return token?.kind === 'name' && !token.isQuoted && token.text.toLowerCase() === word;
  }

  #takeWord(word: string): boolean {
    if (!this.#isWord(word)) return false;
    this.#next += 1;
    return true;
  }

  #takeOperator(...texts: readonly string[]): string | undefined {
    const { kind, text } = this.#token;
    if (kind !== 'operator' || !texts.includes(text)) return undefined;
    this.#next += 1;
    return text;
  }

  #expect(text: string): void {
    const token = this.#token;
    if (this.#takeOperator(text) === undefined && !this.#takeWord(text)) {
      throw whereFault(`"${text}" is expected instead of "${token.text}"`, token);
    }
  }

  #condition(): Expression {
    if (++this.#depth > mostDepth) throw whereFault('the condition is nested too deeply', this.#token);
    let left = this.#conjunction();
    while (this.#isWord('or')) left = this.#logical('or', left, () => this.#conjunction());
    this.#depth -= 1;
    return left;
  }

  #conjunction(): Expression {
    let left = this.#negation();
    while (this.#isWord('and')) left = this.#logical('and', left, () => this.#negation());
    return left;
  }

  #logical(word: 'and' | 'or', left: Expression, parseRight: () => Expression): Expression {
    const at = this.#token;
    this.#next += 1;
    const right = parseRight();
    if (left.type !== 'boolean' || right.type !== 'boolean') {
      throw whereFault(`"${word}" needs a condition on either side`, at);
    }
    return { sql: `(${left.sql} ${word} ${right.sql})`, type: 'boolean' };
  }

  #negation(): Expression {
    const at = this.#token;
    if (!this.#takeWord('not')) return this.#test();
    if (++this.#depth > mostDepth) throw whereFault('the condition is nested too deeply', at);
    const operand = this.#negation();
    this.#depth -= 1;
    if (operand.type !== 'boolean') throw whereFault('"not" needs a condition', at);
    return { sql: `(not ${operand.sql})`, type: 'boolean' };
  }

  #test(): Expression {
    const left = this.#sum();
    const at = this.#token;
    const comparison = this.#takeOperator(...comparisons.keys());
    if (comparison !== undefined) {
      const [a, b] = alike(left, this.#sum(), at);
      return { sql: `(${a} ${comparisons.get(comparison)} ${b})`, type: 'boolean' };
    }
    if (this.#takeWord('is')) {
      const not = this.#takeWord('not') ? ' not' : '';
      this.#expect('null');
      return { sql: `(${left.sql} is${not} null)`, type: 'boolean' };
    }
    const isNegated = this.#isWord('not') && ['in', 'between', 'like', 'ilike'].some(word => this.#isWord(word, 1));
    if (isNegated) this.#next += 1;
    const test = this.#membership(left) ?? this.#between(left) ?? this.#like(left);
    if (test === undefined) return left;
    return { sql: isNegated ? `(not ${test})` : test, type: 'boolean' };
  }

  #membership(left: Expression): string | undefined {
    const at = this.#token;
    if (!this.#takeWord('in')) return undefined;
    this.#expect('(');
    const values: string[] = [];
    let subject = left.sql;
    do {
      const [a, b] = alike(left, this.#sum(), at);
      subject = a;
      values.push(b);
    } while (this.#takeOperator(',') !== undefined);
    this.#expect(')');
    return `(${subject} in (${values.join(', ')}))`;
  }

  #between(left: Expression): string | undefined {
    const at = this.#token;
    if (!this.#takeWord('between')) return undefined;
    const [subject, low] = alike(left, this.#sum(), at);
    this.#expect('and');
    const [, high] = alike(left, this.#sum(), at);
    return `(${subject} between ${low} and ${high})`;
  }

  #like(left: Expression): string | undefined {
    const at = this.#token;
    const word = this.#takeWord('like') ? 'like' : this.#takeWord('ilike') ? 'ilike' : undefined;
    if (word === undefined) return undefined;
    const pattern = this.#sum();
    if (left.type !== 'text' || pattern.type !== 'text') throw whereFault(`"${word}" compares texts`, at);
    return `(${left.sql} ${word} ${pattern.sql})`;
  }

  #sum(): Expression {
    let left = this.#product();
    for (;;) {
      const at = this.#token;
      const operator = this.#takeOperator('+', '-');
      if (operator === undefined) return left;
      left = arithmetic(operator, left, this.#product(), at);
    }
  }

  #product(): Expression {
    let left = this.#unary();
    for (;;) {
      const at = this.#token;
      const operator = this.#takeOperator('*', '/', '%');
      if (operator === undefined) return left;
      left = arithmetic(operator, left, this.#unary(), at);
    }
  }

  #unary(): Expression {
    const at = this.#token;
    if (this.#takeOperator('-') === undefined) return this.#atom();
    if (++this.#depth > mostDepth) throw whereFault('the condition is nested too deeply', at);
    const operand = this.#unary();
    this.#depth -= 1;
    if (!isNumeric(operand)) throw whereFault('"-" needs a number', at);
    return { sql: `(- ${operand.sql})`, type: 'number' };
  }

  #atom(): Expression {
    const token = this.#token;
    this.#next += 1;
    if (token.kind === 'number') return { sql: token.text, type: 'number' };
    if (token.kind === 'text') return { sql: literal(token.text), type: 'text', text: token.text };
    if (token.kind === 'operator' && token.text === '(') {
      const inner = this.#condition();
      this.#expect(')');
      return inner;
    }
    if (token.kind !== 'name') throw whereFault(`a value is expected instead of "${token.text}"`, token);
    if (!token.isQuoted) {
      const word = token.text.toLowerCase();
      if (word === 'true' || word === 'false') return { sql: word, type: 'boolean' };
      if (word === 'null') return { sql: 'null', type: 'null' };
      if (this.#takeOperator('(') !== undefined) return this.#call(word, token);
    }
    return this.#column(token);
  }

  #column(first: Token): Expression {
    let column: WhereColumn | undefined;
    let shown = first.text;
    if (this.#takeOperator('.') === undefined) column = this.#scope(first.text, undefined);
    else {
      const name = this.#token;
      if (name.kind !== 'name') throw whereFault(`a name is expected after "${first.text}."`, name);
      this.#next += 1;
      shown = `${first.text}.${name.text}`;
      column = this.#scope(name.text, first.text.toLowerCase());
    }
    if (column === undefined) throw new UnknownColumn(shown, whereFault(`no column is called "${shown}"`, first));
    return { sql: column.sql, type: column.type };
  }

  #call(name: string, at: Token): Expression {
    const known = Object.hasOwn(functions, name) ? functions[name] : undefined;
    if (known === undefined) {
      throw whereFault(`"${name}" is not one of ${Object.keys(functions).toSorted().join(', ')}`, at);
    }
    const given: Expression[] = [];
    do given.push(this.#sum());
    while (this.#takeOperator(',') !== undefined);
    this.#expect(')');
    const isRight = given.length === known.takes.length && given.every((one, i) => one.type === known.takes[i]);
    if (!isRight) throw whereFault(`${name} takes ${known.takes.join(' and ')}`, at);
    return { sql: `${name}(${given.map(one => one.sql).join(', ')})`, type: known.gives };
  }
}

/** A condition names a column that this layout lacks; another version of the model may have it. */
export class UnknownColumn extends Error {
  override readonly name = 'UnknownColumn';

  constructor(column: string, cause: Error) {
    super(column, { cause });
  }
}

function isNumeric({ type }: Expression): boolean {
  return type === 'number' || type === 'time';
}

function arithmetic(operator: string, left: Expression, right: Expression, at: Token): Expression {
  if (!isNumeric(left) || !isNumeric(right)) throw whereFault(`"${operator}" needs numbers`, at);
  return { sql: `(${left.sql} ${operator} ${right.sql})`, type: 'number' };
}

/** A text literal read as `type`; undefined when it cannot be. */
function literalAs(type: Expression['type'], text: string): string | undefined {
  if (type === 'number' && /^\s*-?\d+(\.\d+)?([eE][+-]?\d+)?\s*$/.test(text)) return text.trim();
  if (type === 'boolean' && (text === 'true' || text === 'false')) return text;
  if (type !== 'time') return undefined;
  const isoMs = Date.parse(/[zZ]|[+-]\d\d:?\d\d$/.test(text) || !text.includes(':') ? text : `${text}Z`);
  return Number.isNaN(isoMs) ? undefined : String(isoMs);
}

/** Both sides as SQL of one type: a text literal takes the type of the other side. */
function alike(left: Expression, right: Expression, at: Token): readonly [string, string] {
  if (left.type === right.type || left.type === 'null' || right.type === 'null') return [left.sql, right.sql];
  if (isNumeric(left) && isNumeric(right)) return [left.sql, right.sql];
  const a = left.text === undefined ? undefined : literalAs(right.type, left.text);
  if (a !== undefined) return [a, right.sql];
  const b = right.text === undefined ? undefined : literalAs(left.type, right.text);
  if (b !== undefined) return [left.sql, b];
  throw whereFault(`a ${left.type} cannot be compared with a ${right.type}`, at);
}

/**
 * Compiles a condition such as `origin = 'ORD' and probability > 0.5` over the columns of `scope`.
 * @throws Fault `bad_request` that says what is wrong and where; UnknownColumn when only a name is
 */
export function compileWhere(condition: string, scope: WhereScope): string {
  return new WhereParser(condition, scope).parse();
}
