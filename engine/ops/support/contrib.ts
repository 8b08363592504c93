/** Domain of ONNX Runtime's own operators, as exporters and its graph optimizer write them. */
export const MICROSOFT = 'com.microsoft'

/** Why the operators that compute on integers have no gradient of their own. */
export const ON_INTEGERS = {
  none: 'it computes on integers; the same model with QuantizeLinear and DequantizeLinear around float operators can be trained',
} as const
