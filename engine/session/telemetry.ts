/**
 * ONNX Runtime 1.30 for Linux counts how it is used: with the first session it makes a database in the user's cache folder
 * (`Microsoft/DeveloperTools/.onnxruntime`), and some seconds later it looks up a server of its maker to send that to. It reads this
 * variable before it begins, and then does neither. Imported ahead of the package wherever the package is; `tests/rules/offline.test.ts` checks both.
 */
process.env['ORT_DISABLE_TELEMETRY'] = '1'
