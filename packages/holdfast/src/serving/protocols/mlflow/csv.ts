import { badRequest, type Refusal } from '../../refusal.ts';

function malformed(why: string): Refusal {
  return badRequest(
    `Failed to parse input as a Pandas DataFrame. Ensure that the input is a valid CSV-formatted Pandas DataFrame produced using the \`pandas.DataFrame.to_csv()\` method. Error: '${why}'`,
  );
}

class CsvReader {
  readonly #text: string;
  #at = 0;
  #line = 1;

  constructor(text: string) {
    this.#text = text;
  }

  /** The cells of the next line that is not blank; undefined at the end. */
  line(): string[] | undefined {
    while (this.#at < this.#text.length && this.#isLineEnd()) this.#endLine();
    if (this.#at >= this.#text.length) return undefined;
    const cells = [this.#cell()];
    while (this.#text[this.#at] === ',') {
      this.#at++;
      cells.push(this.#cell());
    }
    if (this.#at < this.#text.length) this.#endLine();
    return cells;
  }

  get lineNumber(): number {
    return this.#line;
  }

  #isLineEnd(): boolean {
    const character = this.#text[this.#at];
    return character === '\n' || character === '\r';
  }

  #endLine(): void {
    this.#at += this.#text.startsWith('\r\n', this.#at) ? 2 : 1;
    this.#line++;
  }

  #cell(): string {
    if (this.#text[this.#at] === '"') return this.#quoted();
    const start = this.#at;
    while (this.#at < this.#text.length && this.#text[this.#at] !== ',' && !this.#isLineEnd()) this.#at++;
    return this.#text.slice(start, this.#at);
  }

  #quoted(): string {
    const startLine = this.#line;
    let cell = '';
    let from = ++this.#at;
    for (;;) {
      const end = this.#text.indexOf('"', from);
      if (end < 0) throw malformed(`the quotation that starts in line ${startLine} does not end`);
      const part = this.#text.slice(from, end);
      cell += part;
      this.#line += part.split('\n').length - 1;
      if (this.#text[end + 1] !== '"') {
        this.#at = end + 1;
        break;
      }
      cell += '"';
      from = end + 2;
    }
    if (this.#at < this.#text.length && this.#text[this.#at] !== ',' && !this.#isLineEnd())
      throw malformed(`text follows a closed quotation in line ${this.#line}`);
    return cell;
  }
}

/**
 * Reads CSV as RFC 4180 describes it, with a line of names first; blank lines are skipped.
 * @throws Refusal `bad_request` naming the line
 */
export function readCsv(text: string): { readonly names: readonly string[]; readonly rows: readonly string[][] } {
  const reader = new CsvReader(text.startsWith('\uFEFF') ? text.slice(1) : text);
  const names = reader.line();
  if (names === undefined) throw malformed('No columns to parse from file');
  const rows: string[][] = [];
  for (
    let line = reader.lineNumber, row = reader.line();
    row !== undefined;
    line = reader.lineNumber, row = reader.line()
  ) {
    if (row.length !== names.length)
      throw malformed(`Expected ${names.length} fields in line ${line}, saw ${row.length}`);
    rows.push(row);
  }
  return { names, rows };
}
