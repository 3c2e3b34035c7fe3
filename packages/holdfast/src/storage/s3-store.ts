import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { fault } from '@holdfast/api';
import { z } from 'zod';
import { ObjectMissing, type ObjectStore } from './object-store.ts';

const connectionTimeoutMs = 5000;
/** Silence for longer than this ends a call; a large object may take longer in all. */
const silenceTimeoutMs = 20_000;

const addressSchema = z.object({
  bucket: z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'the bucket is not a bucket name'),
  prefix: z.string(),
  endpoint: z.url({ protocol: /^https?$/ }).optional(),
  region: z.string().min(1),
});

/** What an `s3://BUCKET/PREFIX?endpoint=URL&region=NAME` address says. @throws Fault `bad_configuration` */
function parseS3Address(address: string): z.output<typeof addressSchema> {
  const url = URL.parse(address);
  const parsed = addressSchema.safeParse({
    bucket: url?.hostname ?? '',
    prefix: url?.pathname.replace(/^\/+|\/+$/g, '') ?? '',
    endpoint: url?.searchParams.get('endpoint') ?? undefined,
    region: url?.searchParams.get('region') ?? process.env.AWS_REGION ?? 'us-east-1',
  });
  if (parsed.success && url?.protocol === 's3:') return parsed.data;
  const why = parsed.error?.issues.map(issue => `${issue.path.join('.')}: ${issue.message}`).join('; ');
  throw fault('bad_configuration', 'artifacts', why ?? 'the address does not start with s3://');
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && (error.name === 'NoSuchKey' || error.name === 'NotFound');
}

class S3Store implements ObjectStore {
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #prefix: string;

  constructor(client: S3Client, bucket: string, prefix: string) {
    this.#client = client;
    this.#bucket = bucket;
    this.#prefix = prefix === '' ? '' : `${prefix}/`;
  }

  #place(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#bucket, Key: this.#prefix + key };
  }

  async upload(key: string, path: string): Promise<void> {
    const { size } = await stat(path);
    const body = size === 0 ? Buffer.alloc(0) : createReadStream(path);
    await new Upload({ client: this.#client, params: { ...this.#place(key), Body: body }, queueSize: 2 }).done();
  }

  async download(key: string, path: string): Promise<void> {
    let body: unknown;
    try {
      ({ Body: body } = await this.#client.send(new GetObjectCommand(this.#place(key))));
    } catch (error) {
      throw isMissing(error) ? new ObjectMissing(key) : error;
    }
    const file = await open(path, 'wx');
    try {
      if (body instanceof Readable) for await (const part of body) await file.writeFile(part);
      await file.sync();
    } finally {
      await file.close();
    }
  }

  async sizeOf(key: string): Promise<number | undefined> {
    try {
      const { ContentLength } = await this.#client.send(new HeadObjectCommand(this.#place(key)));
      return ContentLength ?? 0;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  async list(prefix: string): Promise<string[]> {
    const keys: string[] = [];
    let token: string | undefined;
    do {
      const page = await this.#client.send(
        new ListObjectsV2Command({
          Bucket: this.#bucket,
          Prefix: this.#prefix + prefix,
          ...(token !== undefined && { ContinuationToken: token }),
        }),
      );
      for (const { Key } of page.Contents ?? []) if (Key !== undefined) keys.push(Key.slice(this.#prefix.length));
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
    return keys.sort();
  }

  async remove(key: string): Promise<void> {
    await this.#client.send(new DeleteObjectCommand(this.#place(key)));
  }
}

/**
 * A bucket of any S3-compatible service. Credentials come from where the AWS tools look for them (environment, profile,
 * web identity, instance).
 */
export function openS3Store(address: string): ObjectStore {
  const { bucket, prefix, endpoint, region } = parseS3Address(address);
  const client = new S3Client({
    region,
    ...(endpoint !== undefined && { endpoint, forcePathStyle: true }),
    maxAttempts: 3,
    // Checksums beyond the protocol's own are not understood by every compatible service.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: { connectionTimeout: connectionTimeoutMs, requestTimeout: silenceTimeoutMs },
  });
  return new S3Store(client, bucket, prefix);
}
