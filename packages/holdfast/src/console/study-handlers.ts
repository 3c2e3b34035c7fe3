import { fault, studyNameSchema, studyRoutes } from '@holdfast/api';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Studies } from '../tuning/index.ts';
import { parse } from './parse-request.ts';

type Handler = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;

const studyParams = z.object({ study: studyNameSchema });
const trialParams = studyParams.extend({ number: z.coerce.number().int().min(0) });

/** One handler per row of the routes of studies. */
export function studyHandlers(studies: Studies): Record<keyof typeof studyRoutes, Handler> {
  const name = (request: FastifyRequest): string => {
    const parsed = studyParams.safeParse(request.params);
    if (!parsed.success) throw fault('study_not_found', String(Object.values(Object(request.params))[0]).slice(0, 80));
    return parsed.data.study;
  };
  const trial = (request: FastifyRequest) => {
    const { study, number } = parse(trialParams, request.params);
    return { study: studies.study(study), number };
  };
  return {
    listStudies: () => studies.list(),
    openStudy: async (request, reply) => {
      reply.code(201);
      return studies.openStudy(parse(studyRoutes.openStudy.body, request.body));
    },
    readStudy: request => studies.read(name(request)),
    removeStudy: async request => {
      await studies.remove(name(request));
      return {};
    },
    studyTrials: request => {
      const { sinceRevision } = parse(studyRoutes.studyTrials.query, request.query);
      return studies.trials(name(request), sinceRevision);
    },
    studyImportances: request =>
      studies.importances(name(request), parse(studyRoutes.studyImportances.query, request.query)),
    enqueueTrial: async (request, reply) => {
      const { params } = parse(studyRoutes.enqueueTrial.body, request.body);
      reply.code(201);
      return { number: await studies.study(name(request)).enqueue(params) };
    },
    askTrial: request => {
      const { worker } = parse(studyRoutes.askTrial.body, request.body);
      return studies.study(name(request)).ask(worker);
    },
    reportStep: request => {
      const { study, number } = trial(request);
      const { claim, step, values } = parse(studyRoutes.reportStep.body, request.body);
      return study.report(number, claim, step, values);
    },
    tellTrial: async request => {
      const { study, number } = trial(request);
      const { claim, outcome } = parse(studyRoutes.tellTrial.body, request.body);
      await study.tell(number, claim, outcome);
      return {};
    },
    keepTrial: async request => {
      const { study, number } = trial(request);
      await study.heartbeat(number, parse(studyRoutes.keepTrial.body, request.body).claim);
      return {};
    },
    releaseTrial: async request => {
      const { study, number } = trial(request);
      await study.release(number, parse(studyRoutes.releaseTrial.body, request.body).claim);
      return {};
    },
    noteRegistration: async request => {
      await studies.noteRegistration(name(request), parse(studyRoutes.noteRegistration.body, request.body));
      return {};
    },
  };
}
