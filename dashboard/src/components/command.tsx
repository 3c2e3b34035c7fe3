import { useEffect, useState } from 'preact/hooks';
import { messages } from '../app/language.ts';

/** A command to type in a terminal, with a button that copies it. */
export function Command({ text }: { readonly text: string }) {
  const [isCopied, setCopied] = useState(false);
  useEffect(() => {
    if (!isCopied) return;
    const handle = setTimeout(() => setCopied(false), 2000);
    return () => clearTimeout(handle);
  }, [isCopied]);
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
  };
  return (
    <div class="command">
      <code>{text}</code>
      {typeof navigator.clipboard !== 'undefined' && (
        <button type="button" class="button small" onClick={() => void copy()}>
          {isCopied ? messages.value.copied : messages.value.copy}
        </button>
      )}
    </div>
  );
}
