import { enableCompileCache } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * Below the user's cache directory (`XDG_CACHE_HOME`, else `~/.cache`), which no other user can write to, unlike Node's
 * default in the shared temporary directory.
 */
function directory(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'holdfast', 'compiled');
}

/**
 * Has Node keep what it compiled for the next start. `NODE_COMPILE_CACHE` and `NODE_DISABLE_COMPILE_CACHE` mean what they
 * mean to Node; where nothing can be written, nothing is kept.
 */
export function keepCompiledCode(): void {
  enableCompileCache(directory());
}

/** The environment by which another process of our own code keeps what it compiled at the same place. */
export function compiledCodeEnvironment(): { readonly NODE_COMPILE_CACHE: string } {
  return { NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE || directory() };
}
