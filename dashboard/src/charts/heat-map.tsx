import type { DriftCell } from '@holdfast/api';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { format, messages } from '../app/language.ts';
import { HeatCell } from './heat-cell.tsx';
import { type HeatGrid, type HeatRow, type HeatWindow, ratioOf } from './heat-grid.ts';

const rowHeight = 26;
const headHeight = 34;
const narrowest = 16;
const widest = 44;
/** Cells drawn beyond what is visible, so that scrolling shows no gaps. */
const overscan = 8;
const pageStep = 10;

interface Position {
  readonly row: number;
  readonly window: number;
}

interface HeatMapProps {
  readonly grid: HeatGrid;
  readonly timeZone: string | undefined;
  readonly open: DriftCell | undefined;
  readonly onOpen: (cell: DriftCell, from: HTMLElement | SVGElement) => void;
}

/** Where a key leads from a cell; undefined for keys that do not move. */
export function moved(key: string, from: Position, rows: number, windows: number): Position | undefined {
  const row = (value: number): number => Math.min(Math.max(value, 0), rows - 1);
  const window = (value: number): number => Math.min(Math.max(value, 0), windows - 1);
  switch (key) {
    case 'ArrowLeft':
      return { ...from, window: window(from.window - 1) };
    case 'ArrowRight':
      return { ...from, window: window(from.window + 1) };
    case 'ArrowUp':
      return { ...from, row: row(from.row - 1) };
    case 'ArrowDown':
      return { ...from, row: row(from.row + 1) };
    case 'PageUp':
      return { ...from, window: window(from.window - pageStep) };
    case 'PageDown':
      return { ...from, window: window(from.window + pageStep) };
    case 'Home':
      return { ...from, window: 0 };
    case 'End':
      return { ...from, window: windows - 1 };
    default:
      return undefined;
  }
}

function windowText(window: HeatWindow, timeZone: string | undefined): string {
  return `${format.value.range(window.startMs, window.endMs, timeZone)}, ${messages.value.version(window.version)}`;
}

function labelOf(row: HeatRow, cell: DriftCell | undefined, window: HeatWindow, timeZone: string | undefined): string {
  const m = messages.value;
  const text = windowText(window, timeZone);
  if (cell === undefined) return m.cellEmpty(row.column, text);
  const ratio = ratioOf(cell);
  return ratio === null
    ? m.cellUnknown(row.column, text, m.outcome[cell.outcome])
    : m.cell(row.column, text, m.outcome[cell.outcome], format.value.percent(ratio));
}

interface HeadProps {
  readonly windows: readonly HeatWindow[];
  readonly first: number;
  readonly last: number;
  readonly width: number;
  readonly height: number;
  readonly timeZone: string | undefined;
}

/** Times above the cells, as many as fit, and a line where another version begins. */
function HeatHead({ windows, first, last, width, height, timeZone }: HeadProps) {
  const f = format.value;
  const every = Math.max(1, Math.ceil(76 / width));
  const shown = windows.slice(first, last);
  const isDaily = windows.length > 0 && windows.every(window => window.endMs - window.startMs >= 43_200_000);
  return (
    <g aria-hidden="true">
      {shown.map((window, offset) => {
        const index = first + offset;
        const x = index * width;
        const before = windows[index - 1];
        const isNew = before === undefined || before.version !== window.version;
        const isDay = before === undefined || f.day(before.startMs, timeZone) !== f.day(window.startMs, timeZone);
        return (
          <g key={`${window.startMs} ${window.version}`}>
            {index % every === 0 && (
              <text class="heat-time" x={x + 2} y={headHeight - 8}>
                {isDaily || isDay ? f.day(window.startMs, timeZone) : f.time(window.startMs, timeZone)}
              </text>
            )}
            {isNew && (
              <>
                {before !== undefined && <path class="heat-version-line" d={`M${x + 0.5} 2V${height}`} />}
                <text class="heat-version" x={x + 3} y={11}>
                  {messages.value.version(window.version)}
                </text>
              </>
            )}
          </g>
        );
      })}
    </g>
  );
}

/** Columns by windows; the pointer or the arrow keys choose a cell, a click or Enter opens it. */
export function HeatMap({ grid, timeZone, open, onOpen }: HeatMapProps) {
  const { windows, rows } = grid;
  const scroller = useRef<HTMLDivElement>(null);
  const isAtEnd = useRef(true);
  /** Where the keyboard has gone before the cell is drawn; keys come faster than frames. */
  const wanted = useRef<Position | undefined>(undefined);
  const [room, setRoom] = useState({ left: 0, width: 800 });
  const [active, setActive] = useState<Position>({ row: 0, window: Math.max(windows.length - 1, 0) });
  const width = Math.min(
    widest,
    Math.max(narrowest, Math.floor(((room.width - 4) / Math.max(windows.length, 1)) * 10) / 10),
  );
  const totalWidth = width * windows.length + 2;
  const height = headHeight + rows.length * rowHeight;
  const first = Math.max(0, Math.floor(room.left / width) - overscan);
  const last = Math.min(windows.length, Math.ceil((room.left + room.width) / width) + overscan);
  const at: Position = {
    row: Math.min(active.row, rows.length - 1),
    window: Math.min(active.window, windows.length - 1),
  };

  useLayoutEffect(() => {
    const element = scroller.current;
    if (element === null) return;
    const measure = (): void => setRoom({ left: element.scrollLeft, width: element.clientWidth });
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, []);

  useLayoutEffect(() => {
    const element = scroller.current;
    if (element === null || !isAtEnd.current) return;
    element.scrollLeft = element.scrollWidth;
    setRoom({ left: element.scrollLeft, width: element.clientWidth });
  }, [totalWidth]);

  useLayoutEffect(() => {
    if (wanted.current?.row !== at.row || wanted.current.window !== at.window) return;
    wanted.current = undefined;
    scroller.current?.querySelector<SVGElement>(`[data-cell="${at.row}-${at.window}"]`)?.focus({ preventScroll: true });
  });

  const onScroll = (): void => {
    const element = scroller.current;
    if (element === null) return;
    isAtEnd.current = element.scrollLeft + element.clientWidth >= element.scrollWidth - width;
    setRoom({ left: element.scrollLeft, width: element.clientWidth });
  };

  const reveal = (window: number): void => {
    const element = scroller.current;
    if (element === null) return;
    const left = window * width;
    if (left < element.scrollLeft) element.scrollLeft = left - width;
    else if (left + width > element.scrollLeft + element.clientWidth)
      element.scrollLeft = left + 2 * width - element.clientWidth;
  };

  const openAt = (position: Position, from: HTMLElement | SVGElement): void => {
    const cell = rows[position.row]?.cells[position.window];
    setActive(position);
    if (cell !== undefined) onOpen(cell, from);
  };

  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if ((event.key === 'Enter' || event.key === ' ') && event.target instanceof SVGElement) {
      event.preventDefault();
      openAt(wanted.current ?? at, event.target);
      return;
    }
    const next = moved(event.key, wanted.current ?? at, rows.length, windows.length);
    if (next === undefined) return;
    event.preventDefault();
    reveal(next.window);
    wanted.current = next;
    setActive(next);
  };

  const onClick = (event: MouseEvent): void => {
    const hit = event.target instanceof Element ? event.target.closest<SVGElement>('[data-cell]') : null;
    const [row, window] = (hit?.dataset.cell ?? '').split('-').map(Number);
    if (hit === null || row === undefined || window === undefined) return;
    hit.focus({ preventScroll: true });
    openAt({ row, window }, hit);
  };

  const indices = Array.from({ length: last - first }, (_, offset) => first + offset);
  if (at.window >= 0 && (at.window < first || at.window >= last)) indices.push(at.window);
  const isOpen = (cell: DriftCell | undefined): boolean =>
    cell !== undefined &&
    open?.column === cell.column &&
    open.windowStartMs === cell.windowStartMs &&
    open.version === cell.version;

  return (
    <div class="heat">
      <div class="heat-names" style={{ paddingTop: `${headHeight}px` }} aria-hidden="true">
        {rows.map(row => (
          <div key={row.column} class="heat-name" style={{ height: `${rowHeight}px` }} title={row.column}>
            <span class="heat-name-text">{row.column}</span>
            {row.role === 'output' && <span class="role-tag">{messages.value.role.output}</span>}
          </div>
        ))}
      </div>
      <div class="heat-scroll" ref={scroller} onScroll={onScroll}>
        <svg
          width={totalWidth}
          height={height}
          role="grid"
          aria-label={messages.value.heatMap}
          aria-rowcount={rows.length}
          aria-colcount={windows.length}
          onKeyDown={onKeyDown}
          onClick={onClick}
        >
          <HeatHead windows={windows} first={first} last={last} width={width} height={height} timeZone={timeZone} />
          {rows.map((row, rowIndex) => (
            <g key={row.column} role="row" aria-label={row.column} aria-rowindex={rowIndex + 1}>
              {indices.map(index => (
                <HeatCell
                  key={index}
                  cell={row.cells[index]}
                  label={labelOf(row, row.cells[index], windows[index]!, timeZone)}
                  address={`${rowIndex}-${index}`}
                  x={index * width}
                  y={headHeight + rowIndex * rowHeight}
                  width={width}
                  height={rowHeight}
                  isActive={at.row === rowIndex && at.window === index}
                  isOpen={isOpen(row.cells[index])}
                  columnIndex={index}
                />
              ))}
            </g>
          ))}
        </svg>
      </div>
    </div>
  );
}
