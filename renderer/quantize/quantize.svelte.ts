export const quantizing = { use(_model: string, _data?: string): void {} }
