export default { semi: false, singleQuote: true, printWidth: 132, trailingComma: 'all' }
