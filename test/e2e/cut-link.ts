import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** A TCP link that can be cut, and mended, between a client and a server on this machine. */
export class CutLink implements AsyncDisposable {
  readonly port: number;
  readonly #sockets = new Set<Socket>();
  readonly #close: () => Promise<void>;
  #isCut = false;

  private constructor(port: number, close: () => Promise<void>) {
    this.port = port;
    this.#close = close;
  }

  static async to(port: number): Promise<CutLink> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const link = new CutLink(address.port, async () => {
      server.close();
      await once(server, 'close');
    });
    server.on('connection', near => link.#join(near, port));
    return link;
  }

  #join(near: Socket, port: number): void {
    if (this.#isCut) {
      near.destroy();
      return;
    }
    const far = connect(port, '127.0.0.1');
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(one);
      one.on('error', () => {});
      one.on('close', () => {
        this.#sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  }

  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend(): void {
    this.#isCut = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await this.#close();
  }
}
