import { cpSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Puts the built console page into the published package, beside its compiled code. */
const from = fileURLToPath(new URL('../dashboard/dist', import.meta.url));
const to = fileURLToPath(new URL('../packages/holdfast/dist/page', import.meta.url));
rmSync(to, { recursive: true, force: true });
cpSync(from, to, { recursive: true });
console.log('copied the console page into packages/holdfast/dist/page');
