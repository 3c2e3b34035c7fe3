import { messages } from '../../app/language.ts';
import { Command } from '../../components/command.tsx';
import { Empty } from '../../components/note.tsx';

/** What to type when nothing is deployed yet. */
export function FirstModel({ inferenceUrl }: { readonly inferenceUrl: string | undefined }) {
  const m = messages.value;
  return (
    <Empty title={m.noModels}>
      <p>{m.noModelsHint}</p>
      <Command text="holdfast deploy MODEL.onnx --name NAME" />
      <p>{m.noModelsBaseline}</p>
      <Command text="holdfast deploy MODEL.onnx --name NAME --baseline FILE.csv" />
      {inferenceUrl !== undefined && (
        <>
          <p>{m.noModelsSend}</p>
          <Command text={`curl ${inferenceUrl}/v2/models/NAME`} />
        </>
      )}
    </Empty>
  );
}
