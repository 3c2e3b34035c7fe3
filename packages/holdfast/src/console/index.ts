export { type ControlApi, type ControlApiOptions, makeControlApi } from './control-api.ts';
export { type ControlListener, type HttpHandler, openControlListener } from './control-listener.ts';
export type { ControlServices, ExportedFile, PredictionFilter, TimeRange } from './control-services.ts';
export { originGuard } from './origin-guard.ts';
