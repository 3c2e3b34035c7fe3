export { Histogram } from './histogram.ts';
export { createLog, type Log } from './log.ts';
export {
  Cell,
  type Counter,
  type HistogramFamily,
  type Labels,
  MetricRegistry,
  prometheusContentType,
} from './metrics.ts';
