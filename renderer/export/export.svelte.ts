export const exporting = { use(_model: string, _data?: string): void {} }
