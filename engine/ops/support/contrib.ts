/** Domain of ONNX Runtime's own operators, as exporters and its graph optimizer write them. */
export const MICROSOFT = 'com.microsoft'
