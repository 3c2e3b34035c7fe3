export { findProgram } from './find-program.ts';
export { describeJobEnd, type Job, type JobBackend, type JobEnd, type JobSpec } from './job.ts';
export { localJobs } from './local-jobs.ts';
