export { evaluateModel, type EvaluateOptions, type Evaluation } from './evaluateModel.ts'
export { openPredictor, type Prediction, type Predictor } from './predictor.ts'
export {
  choosePreprocess,
  describe,
  prepared,
  PREPROCESS_KEY,
  type ChooseOptions,
  type ChosenPreprocess,
} from './choosePreprocess.ts'
