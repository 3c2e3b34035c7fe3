import { messages } from '../app/language.ts';
import { HeatMark } from './heat-cell.tsx';
import type { HeatStep } from './heat-grid.ts';

const width = 20;
const height = 16;

function Steps({ steps }: { readonly steps: readonly HeatStep[] }) {
  return (
    <svg width={width * steps.length} height={height} aria-hidden="true">
      {steps.map((step, index) => (
        <HeatMark key={step} step={step} x={index * width} y={0} width={width} height={height} />
      ))}
    </svg>
  );
}

/** How to read the colours and shapes of the heat map. */
export function HeatLegend() {
  const m = messages.value;
  return (
    <div class="heat-legend">
      <span>{m.legendQuiet}</span>
      <Steps steps={['calm-0', 'calm-1', 'calm-2', 'calm-3']} />
      <span>{m.legendThreshold}</span>
      <Steps steps={['hot-0', 'hot-1', 'hot-2']} />
      <span>{m.legendBreached}</span>
      <Steps steps={['undecided']} />
      <span>{m.legendUndecided}</span>
    </div>
  );
}
