import { ApiError, HoldfastClient } from '@holdfast/api';
import { messages } from './language.ts';

/** The control API of the page's own origin. */
export const server = new HoldfastClient('', { timeoutMs: 30_000, actor: 'console' });

/** What went wrong, in a sentence: the server's own where it gave one. */
export function sentenceOf(error: unknown): string {
  if (error instanceof ApiError) return error.message;
  if (error instanceof DOMException && error.name === 'TimeoutError') return messages.value.timedOut;
  if (error instanceof TypeError) return messages.value.unreachable;
  return `${messages.value.unexpected}: ${error instanceof Error ? error.message : String(error)}`;
}
