export { type ControlApi, type ControlApiOptions, startControlApi } from './control-api.ts';
export type { ControlServices, ExportedFile, PredictionFilter, TimeRange } from './control-services.ts';
