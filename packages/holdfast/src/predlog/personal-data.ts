import { hash, randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';

const saltFile = 'personal-data-salt';
const saltBytes = 32;

/** The salt of this installation, made at the first call; all processes over one directory get the same one. */
async function readOrMakeSalt(directory: string): Promise<Buffer> {
  await mkdir(directory, { recursive: true });
  const path = join(directory, saltFile);
  const known = await readFile(path).catch(() => undefined);
  if (known?.length === saltBytes) return known;
  const draft = join(directory, `${saltFile}.${randomBytes(6).toString('hex')}`);
  const handle = await open(draft, 'wx', 0o600);
  await handle.writeFile(randomBytes(saltBytes));
  await handle.sync();
  await handle.close();
  // Whoever links first has made the salt; the others take theirs back.
  await link(draft, path).catch((error: unknown) => {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  });
  await unlink(draft);
  return readFile(path);
}

/**
 * Opens the hash that replaces personal data in the log: hexadecimal SHA-256 over the installation's salt and the text,
 * so that equal values stay equal and nothing can be looked up in a table made elsewhere.
 */
export async function openPersonalDataHash(directory: string): Promise<(text: string) => string> {
  const salt = (await readOrMakeSalt(directory)).toString('hex');
  return text => hash('sha256', `${salt}:${text}`);
}
