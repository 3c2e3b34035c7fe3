import { z } from 'zod';
import {
  askAnswerSchema,
  askTrialSchema,
  createStudySchema,
  enqueueTrialSchema,
  holdTrialSchema,
  importancesQuerySchema,
  importancesSchema,
  noteRegistrationSchema,
  pruneDecisionSchema,
  reportStepSchema,
  studyDetailSchema,
  studySummarySchema,
  studyTrialsSchema,
  tellTrialSchema,
} from './studies.ts';

const emptySchema = z.object({});

/** The routes of studies: read by the console, asked and told by workers in any language. */
export const studyRoutes = {
  listStudies: { method: 'GET', path: '/api/v1/studies', scope: 'studies:read', answer: z.array(studySummarySchema) },
  openStudy: {
    method: 'POST',
    path: '/api/v1/studies',
    scope: 'studies:write',
    body: createStudySchema,
    answer: studyDetailSchema,
  },
  readStudy: { method: 'GET', path: '/api/v1/studies/:study', scope: 'studies:read', answer: studyDetailSchema },
  removeStudy: { method: 'DELETE', path: '/api/v1/studies/:study', scope: 'studies:write', answer: emptySchema },
  studyTrials: {
    method: 'GET',
    path: '/api/v1/studies/:study/trials',
    scope: 'studies:read',
    query: z.object({ sinceRevision: z.coerce.number().int().default(0) }),
    answer: studyTrialsSchema,
  },
  studyImportances: {
    method: 'GET',
    path: '/api/v1/studies/:study/importances',
    scope: 'studies:read',
    query: importancesQuerySchema,
    answer: importancesSchema,
  },
  enqueueTrial: {
    method: 'POST',
    path: '/api/v1/studies/:study/queue',
    scope: 'studies:write',
    body: enqueueTrialSchema,
    answer: z.object({ number: z.int() }),
  },
  askTrial: {
    method: 'POST',
    path: '/api/v1/studies/:study/ask',
    scope: 'studies:write',
    body: askTrialSchema,
    answer: askAnswerSchema,
  },
  reportStep: {
    method: 'POST',
    path: '/api/v1/studies/:study/trials/:number/reports',
    scope: 'studies:write',
    body: reportStepSchema,
    answer: pruneDecisionSchema,
  },
  tellTrial: {
    method: 'POST',
    path: '/api/v1/studies/:study/trials/:number/outcome',
    scope: 'studies:write',
    body: tellTrialSchema,
    answer: emptySchema,
  },
  keepTrial: {
    method: 'POST',
    path: '/api/v1/studies/:study/trials/:number/heartbeat',
    scope: 'studies:write',
    body: holdTrialSchema,
    answer: emptySchema,
  },
  releaseTrial: {
    method: 'POST',
    path: '/api/v1/studies/:study/trials/:number/release',
    scope: 'studies:write',
    body: holdTrialSchema,
    answer: emptySchema,
  },
  noteRegistration: {
    method: 'POST',
    path: '/api/v1/studies/:study/registrations',
    scope: 'studies:write',
    body: noteRegistrationSchema,
    answer: emptySchema,
  },
} as const;
