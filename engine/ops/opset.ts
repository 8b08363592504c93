/** Opset of the graphs that the compiler builds. Models are upgraded to it before rules are asked. */
export { WORKING_OPSET } from '../onnx/index.ts'

/** Opset of the student templates: the oldest whose meaning equals the rules', so that exported files run on older runtimes. */
export const TEMPLATE_OPSET = 17
