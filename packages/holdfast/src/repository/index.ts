export { ModelRepository } from './model-repository.ts';
