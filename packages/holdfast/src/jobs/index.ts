export { findProgram } from './find-program.ts';
export { describeJobEnd, type Job, type JobBackend, type JobEnd, type JobMounts, type JobSpec } from './job.ts';
export { kubernetesJobs } from './kubernetes/kubernetes-jobs.ts';
export { kubernetesSettingsSchema } from './kubernetes/settings.ts';
export { localJobs } from './local-jobs.ts';
