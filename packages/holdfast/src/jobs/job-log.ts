import { createWriteStream } from 'node:fs';

const maximumBytes = 16 * 1_048_576;

/** A file for what a job prints; what exceeds 16 MiB is left out and the file says so. */
export class JobLog implements AsyncDisposable {
  readonly #stream;
  #bytes = 0;

  constructor(path: string) {
    this.#stream = createWriteStream(path, { flags: 'a' });
    // A full disk costs the log, not the job.
    this.#stream.on('error', () => this.#stream.destroy());
  }

  write(chunk: Uint8Array): void {
    if (this.#bytes > maximumBytes) return;
    this.#bytes += chunk.byteLength;
    this.#stream.write(this.#bytes > maximumBytes ? '\n[the rest is left out]\n' : chunk);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stream.destroyed) return;
    await new Promise<void>(resolve => {
      this.#stream.once('close', () => resolve());
      this.#stream.end();
    });
  }
}
