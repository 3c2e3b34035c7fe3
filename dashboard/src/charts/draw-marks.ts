import type uPlot from 'uplot';
import type { ChartSpec } from './chart-spec.ts';
import type { Colour } from './colours.ts';

type Read = (name: Colour) => string;

function clipped(plot: uPlot, draw: (context: CanvasRenderingContext2D) => void): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  draw(ctx);
  ctx.restore();
}

/** Horizontal levels, such as the baseline, under the lines. */
export function drawLevels(plot: uPlot, spec: ChartSpec, read: Read): void {
  clipped(plot, context => {
    for (const level of spec.levels) {
      const y = Math.round(plot.valToPos(level.value, 'y', true)) + 0.5;
      context.strokeStyle = read(level.colour);
      context.lineWidth = devicePixelRatio;
      context.setLineDash(level.dash.map(length => length * devicePixelRatio));
      context.beginPath();
      context.moveTo(plot.bbox.left, y);
      context.lineTo(plot.bbox.left + plot.bbox.width, y);
      context.stroke();
    }
  });
}

/** The moments at which another version began to answer. */
export function drawMarkers(plot: uPlot, spec: ChartSpec, read: Read, font: string): void {
  clipped(plot, context => {
    const size = 10.5 * devicePixelRatio;
    context.font = `600 ${size}px ${font}`;
    context.textBaseline = 'top';
    context.textAlign = 'left';
    for (const marker of spec.markers) {
      const isFirst = marker.atMs <= spec.shown.fromMs;
      const x = isFirst ? plot.bbox.left : Math.round(plot.valToPos(marker.atMs, 'x', true)) + 0.5;
      const text = spec.markerText(marker.version);
      const width = context.measureText(text).width + size;
      if (!isFirst) {
        context.strokeStyle = read('muted');
        context.lineWidth = devicePixelRatio;
        context.setLineDash([2 * devicePixelRatio, 2 * devicePixelRatio]);
        context.beginPath();
        context.moveTo(x, plot.bbox.top);
        context.lineTo(x, plot.bbox.top + plot.bbox.height);
        context.stroke();
      }
      const fits = x + width < plot.bbox.left + plot.bbox.width;
      const left = fits ? x : x - width;
      context.globalAlpha = 0.85;
      context.fillStyle = read('surface');
      context.fillRect(left + devicePixelRatio, plot.bbox.top, width, size * 1.5);
      context.globalAlpha = 1;
      context.fillStyle = read('muted');
      context.fillText(text, left + size / 2, plot.bbox.top + size * 0.25);
    }
  });
}

/** Windows in breach: a hollow diamond, told apart by its shape as well as its colour. */
export function drawBreaches(plot: uPlot, spec: ChartSpec, read: Read): void {
  clipped(plot, context => {
    const radius = 4.5 * devicePixelRatio;
    context.lineWidth = 1.5 * devicePixelRatio;
    context.setLineDash([]);
    for (const breach of spec.breaches) {
      const x = plot.valToPos(breach.atMs, 'x', true);
      const y = plot.valToPos(breach.value, 'y', true);
      context.beginPath();
      context.moveTo(x, y - radius);
      context.lineTo(x + radius, y);
      context.lineTo(x, y + radius);
      context.lineTo(x - radius, y);
      context.closePath();
      context.fillStyle = read('surface');
      context.fill();
      context.strokeStyle = read('bad');
      context.stroke();
    }
  });
}
