import type { RunnerTarget } from './runner.ts';

/** Control to runner process, over the IPC channel. */
export type ToRunner =
  | { readonly kind: 'start'; readonly target: RunnerTarget; readonly socketPath: string }
  | { readonly kind: 'ping' };

/** Runner process to control. */
export type FromRunner =
  /** The model is loaded and warm, and the socket listens. */
  | { readonly kind: 'ready'; readonly loadMs: number; readonly note: string | undefined }
  /** The model cannot be loaded; the process ends. */
  | { readonly kind: 'rejected'; readonly why: string }
  | { readonly kind: 'pong' };
