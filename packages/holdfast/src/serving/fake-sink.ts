import { fault } from '@holdfast/api';
import type { AnsweredRequest, FailedRequest, LabelSink, PredictionSink, ReceivedLabel } from './prediction-sink.ts';

/** Keeps what it hears. */
export class FakeSink implements PredictionSink, LabelSink {
  readonly answers: AnsweredRequest[] = [];
  readonly failures: FailedRequest[] = [];
  readonly labels: { readonly model: string; readonly label: ReceivedLabel }[] = [];
  isFull = false;

  answered(request: AnsweredRequest): void {
    this.answers.push(request);
  }

  failed(request: FailedRequest): void {
    this.failures.push(request);
  }

  async append(model: string, labels: readonly ReceivedLabel[]): Promise<void> {
    if (this.isFull) throw fault('storage_full');
    for (const label of labels) this.labels.push({ model, label });
  }
}
