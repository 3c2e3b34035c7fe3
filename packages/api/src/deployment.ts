import { z } from 'zod';
import { aliasSchema, versionSchema } from './names.ts';

/** Shares are percentages with at most two decimals, so that they are whole ten-thousandths on the hot path. */
export const percentSchema = z
  .number()
  .min(0)
  .max(100)
  .refine(percent => Math.abs(percent * 100 - Math.round(percent * 100)) < 1e-6, {
    error: 'a share is a percentage with at most two decimals',
  });

/** A version by its number, or by an alias that is looked up whenever the routing is made. */
export const targetSchema = z.union([versionSchema, aliasSchema]);
export type Target = z.infer<typeof targetSchema>;

const headerNameSchema = z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/, 'not a header name');
const inputNameSchema = z
  .string()
  .min(1)
  .max(200)
  .describe('An input tensor, whose first value is looked at; `name[2]` looks at its third one.');

/** What a request is recognised by. The same value always gets the same version. */
export const stickySchema = z
  .strictObject({ header: headerNameSchema.optional(), input: inputNameSchema.optional() })
  .refine(one => (one.header === undefined) !== (one.input === undefined), {
    error: 'what keeps a caller on its version is either a "header" or an "input"',
  });
export type Sticky = z.infer<typeof stickySchema>;

const scalarSchema = z.union([z.string().max(1000), z.number(), z.boolean()]);

/** One condition on a request: a header or the first value of an input equals, is one of, or lies in a range. */
export const conditionSchema = z
  .strictObject({
    header: headerNameSchema.optional(),
    input: inputNameSchema.optional(),
    equals: scalarSchema.optional(),
    in: z.array(scalarSchema).min(1).max(1000).optional(),
    range: z
      .tuple([z.number().nullable(), z.number().nullable()])
      .optional()
      .describe('From the first number to below the second; null leaves that side open.'),
  })
  .refine(one => (one.header === undefined) !== (one.input === undefined), {
    error: 'a condition looks at either a "header" or an "input"',
  })
  .refine(one => [one.equals, one.in, one.range].filter(test => test !== undefined).length === 1, {
    error: 'a condition has exactly one of "equals", "in" and "range"',
  });
export type Condition = z.infer<typeof conditionSchema>;

export const routingRuleSchema = z.strictObject({
  when: z.union([conditionSchema, z.array(conditionSchema).min(1).max(20)]).describe('Every condition must hold.'),
  version: targetSchema.describe('Who answers a request that the rule matches: a version or an alias.'),
});
export type RoutingRule = z.infer<typeof routingRuleSchema>;

/** Who answers the requests for a model that name no version, when it is not simply the champion. */
export const deploymentSchema = z.strictObject({
  sticky: stickySchema
    .optional()
    .describe('What decides the version within `split`; the header x-holdfast-key when absent, else chance.'),
  salt: z.string().max(100).default('').describe('Change it to deal the keys anew.'),
  split: z
    .array(z.strictObject({ version: targetSchema, percent: percentSchema }))
    .max(10)
    .default([])
    .describe('Shares of versions beside the champion, which answers the rest: an A/B test.'),
  shadow: z
    .array(z.strictObject({ version: targetSchema, percent: percentSchema.default(100) }))
    .max(5)
    .default([])
    .describe('Versions that get a copy of the champion’s requests and answer nobody.'),
  rules: z
    .array(routingRuleSchema)
    .max(100)
    .default([])
    .describe('The first rule that matches decides, before `split`.'),
});
export type Deployment = z.output<typeof deploymentSchema>;
export type DeploymentInput = z.input<typeof deploymentSchema>;

export const setDeploymentSchema = z.strictObject({
  /** Null lets the champion answer all. */
  deployment: deploymentSchema.nullable(),
  reason: z.string().max(1000).default(''),
});

export const deploymentResponseSchema = z.object({ deployment: deploymentSchema.nullable() });
export type DeploymentResponse = z.infer<typeof deploymentResponseSchema>;
