/** Longest line that is passed on; the rest of a longer one is left out. */
const maximumLineCharacters = 1_048_576;

/** Splits text that arrives in pieces into lines. */
export class LineSplitter {
  readonly #decoder = new TextDecoder();
  #rest = '';

  /** The lines that these bytes complete. */
  push(bytes: Uint8Array): string[] {
    return this.#split(this.#decoder.decode(bytes, { stream: true }));
  }

  /** What is left at the end without a line break. */
  end(): string[] {
    const lines = this.#split(this.#decoder.decode());
    const last = this.#rest;
    this.#rest = '';
    return last === '' ? lines : [...lines, last];
  }

  #split(text: string): string[] {
    const parts = (this.#rest + text).split(/\r?\n/);
    this.#rest = (parts.pop() ?? '').slice(0, maximumLineCharacters);
    return parts;
  }
}
