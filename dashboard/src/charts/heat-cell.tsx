import type { DriftCell } from '@holdfast/api';
import { type HeatStep, stepOf } from './heat-grid.ts';

interface MarkProps {
  readonly step: HeatStep;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** One coloured cell; a breach also has an outline and a diamond, an undecided one a dashed outline and a dot. */
export function HeatMark({ step, x, y, width, height }: MarkProps) {
  const middleX = x + width / 2;
  const middleY = y + height / 2;
  const radius = Math.min(width, height) * 0.19;
  return (
    <>
      <rect class={`heat-fill ${step}`} x={x + 1} y={y + 1} width={width - 2} height={height - 2} rx={3} />
      {step.startsWith('hot') && (
        <path
          class="heat-diamond"
          d={`M${middleX} ${middleY - radius}L${middleX + radius} ${middleY}L${middleX} ${middleY + radius}L${middleX - radius} ${middleY}Z`}
        />
      )}
      {step === 'undecided' && <circle class="heat-dot" cx={middleX} cy={middleY} r={1.5} />}
    </>
  );
}

interface HeatCellProps {
  readonly cell: DriftCell | undefined;
  readonly label: string;
  readonly address: string;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly isActive: boolean;
  readonly isOpen: boolean;
  readonly columnIndex: number;
}

/** A cell of the grid that can be focused and opened. */
export function HeatCell({ cell, label, address, x, y, width, height, isActive, isOpen, columnIndex }: HeatCellProps) {
  return (
    <g
      class={`heat-cell ${isOpen ? 'open' : ''}`}
      role="gridcell"
      aria-label={label}
      aria-colindex={columnIndex + 1}
      aria-selected={isOpen}
      // Attributes of SVG elements are case-sensitive: `tabIndex` would not make it focusable.
      tabindex={isActive ? 0 : -1}
      data-cell={address}
    >
      <rect class="heat-hit" x={x} y={y} width={width} height={height} />
      {cell !== undefined && <HeatMark step={stepOf(cell)} x={x} y={y} width={width} height={height} />}
      <rect class="heat-ring" x={x + 0.5} y={y + 0.5} width={width - 1} height={height - 1} rx={3.5} />
      <title>{label}</title>
    </g>
  );
}
