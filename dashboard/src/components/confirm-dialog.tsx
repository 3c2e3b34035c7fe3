import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { messages } from '../app/language.ts';
import { sentenceOf } from '../app/server.ts';

interface ConfirmDialogProps {
  readonly title: string;
  readonly text: string;
  readonly action: string;
  /** Does it; the dialog stays open and shows the sentence when it is refused. */
  readonly onConfirm: (reason: string) => Promise<void>;
  readonly onClose: () => void;
}

/** Asks before something changes what users are answered, with room for a reason. */
export function ConfirmDialog({ title, text, action, onConfirm, onClose }: ConfirmDialogProps) {
  const m = messages.value;
  const dialog = useRef<HTMLDialogElement>(null);
  const [reason, setReason] = useState('');
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<string | undefined>(undefined);
  const titleId = useId();
  const textId = useId();
  useEffect(() => {
    const element = dialog.current;
    element?.showModal();
    return () => element?.close();
  }, []);
  const confirm = async (): Promise<void> => {
    setBusy(true);
    setError(undefined);
    try {
      await onConfirm(reason.trim());
      onClose();
    } catch (refusal) {
      setError(sentenceOf(refusal));
      setBusy(false);
    }
  };
  return (
    <dialog
      ref={dialog}
      aria-labelledby={titleId}
      aria-describedby={textId}
      onCancel={event => {
        event.preventDefault();
        if (!isBusy) onClose();
      }}
    >
      <form
        onSubmit={event => {
          event.preventDefault();
          void confirm();
        }}
      >
        <h2 id={titleId}>{title}</h2>
        <p id={textId}>{text}</p>
        <label>
          <span>
            {m.reason} <span class="hint">{m.reasonHint}</span>
          </span>
          <textarea rows={2} maxLength={1000} value={reason} onInput={event => setReason(event.currentTarget.value)} />
        </label>
        {error !== undefined && (
          <p class="dialog-error" role="alert">
            {error}
          </p>
        )}
        <div class="dialog-actions">
          <button type="button" class="button" disabled={isBusy} onClick={onClose}>
            {m.cancel}
          </button>
          <button type="submit" class="button primary" disabled={isBusy}>
            {isBusy ? m.working : action}
          </button>
        </div>
      </form>
    </dialog>
  );
}
