/** Longest line that is passed on; the rest of a longer one is left out. */
const maximumLineCharacters = 1_048_576;

/** Splits text that arrives in pieces into lines. */
export class LineSplitter {
  readonly #decoder = new TextDecoder();
  /** What has come of the line that is not complete, in pieces: joining it anew at each would cost the square of its length. */
  #rest: string[] = [];
  #restLength = 0;

  /** The lines that these bytes complete. */
  push(bytes: Uint8Array): string[] {
    return this.#split(this.#decoder.decode(bytes, { stream: true }));
  }

  /** What is left at the end without a line break. */
  end(): string[] {
    const lines = this.#split(this.#decoder.decode());
    const last = this.#takeRest();
    return last === '' ? lines : [...lines, last];
  }

  #split(text: string): string[] {
    const parts = text.split('\n');
    const last = parts.pop() ?? '';
    const lines = parts.map(part => {
      this.#keep(part);
      return this.#takeRest().replace(/\r$/, '');
    });
    this.#keep(last);
    return lines;
  }

  #keep(part: string): void {
    const kept = part.slice(0, maximumLineCharacters - this.#restLength);
    if (kept === '') return;
    this.#rest.push(kept);
    this.#restLength += kept.length;
  }

  #takeRest(): string {
    const line = this.#rest.join('');
    this.#rest = [];
    this.#restLength = 0;
    return line;
  }
}
