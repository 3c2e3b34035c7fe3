import type { ComponentChildren } from 'preact';
import { messages } from '../app/language.ts';

/** Nothing to show, and why. */
export function Empty({ title, children }: { readonly title: string; readonly children?: ComponentChildren }) {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {children}
    </div>
  );
}

/** The server's sentence about what went wrong, and a way to try again. */
export function ErrorNote({ sentence, onRetry }: { readonly sentence: string; readonly onRetry?: () => void }) {
  return (
    <div class="error-note" role="alert">
      <p>
        <strong>{messages.value.failed}.</strong> {sentence}
      </p>
      {onRetry !== undefined && (
        <button type="button" class="button small" onClick={onRetry}>
          {messages.value.retry}
        </button>
      )}
    </div>
  );
}

/** Keeps the place of something that is on its way. */
export function Skeleton({ height }: { readonly height: string }) {
  return (
    <div class="skeleton" style={{ height }} role="status">
      <span class="hidden">{messages.value.loading}</span>
    </div>
  );
}
