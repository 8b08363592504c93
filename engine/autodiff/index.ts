export * from './gradients.ts'
