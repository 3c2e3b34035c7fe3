/** Whole files under keys, kept by another machine. Every call ends within its time limit. */
export interface ObjectStore {
  /** Stores the bytes of a local file; durable when it resolves. An object of that key is replaced. */
  upload(key: string, path: string): Promise<void>;
  /** Writes an object to a new local file, synced. @throws ObjectMissing */
  download(key: string, path: string): Promise<void>;
  /** Bytes of an object, or undefined when there is none. */
  sizeOf(key: string): Promise<number | undefined>;
  /** Keys that start with a prefix, in order. */
  list(prefix: string): Promise<string[]>;
  /** Removing what is not there is no error. */
  remove(key: string): Promise<void>;
}

/** There is no object of that key. */
export class ObjectMissing extends Error {
  override readonly name = 'ObjectMissing';

  constructor(key: string) {
    super(`there is no object ${key}`);
  }
}

/**
 * The store behind an `s3://BUCKET/PREFIX` address. The client is loaded only where one is used: it is large.
 * @throws Fault `bad_configuration` when the address is none
 */
export async function openObjectStore(address: string): Promise<ObjectStore> {
  const { openS3Store } = await import('./s3-store.ts');
  return openS3Store(address);
}
