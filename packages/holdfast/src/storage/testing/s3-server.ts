import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import S3rver from 's3rver';

/** The credentials that the test server knows. */
export const s3Credentials = { AWS_ACCESS_KEY_ID: 'S3RVER', AWS_SECRET_ACCESS_KEY: 'S3RVER' };

/** An S3-compatible server in a temporary folder on an ephemeral port, with the bucket `holdfast`. */
export async function startS3Server(): Promise<{ readonly address: string } & AsyncDisposable> {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-s3-'));
  const server = new S3rver({
    address: '127.0.0.1',
    port: 0,
    silent: true,
    directory,
    configureBuckets: [{ name: 'holdfast', configs: [] }],
  });
  const { port } = await server.run();
  return {
    address: `s3://holdfast/team?endpoint=${encodeURIComponent(`http://127.0.0.1:${port}`)}`,
    async [Symbol.asyncDispose]() {
      await server.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
