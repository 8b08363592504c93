import { relative } from 'node:path'
import prettier from 'eslint-config-prettier'
import svelte from 'eslint-plugin-svelte'
import globals from 'globals'
import tseslint from 'typescript-eslint'
import { violations } from './scripts/layers.ts'

/** The import table of engine/layers.json as a lint rule; the message says which folders may hold the code instead. */
const layers = {
  meta: { type: 'problem', schema: [] },
  create(context) {
    return {
      Program() {
        const path = relative(context.cwd, context.filename).replaceAll('\\', '/')
        for (const { line, column, message } of violations(path, context.sourceCode.text)) {
          context.report({ loc: { line, column }, message })
        }
      },
    }
  },
}

const stillroom = { rules: { layers } }

/** Files that may be longer than 400 lines, each with its reason. */
const LONG_FILES = []

export default tseslint.config(
  { ignores: ['node_modules/', 'dist/', 'coverage/', 'stillroom-out/', 'native/build/', '**/*.gen.ts'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  tseslint.configs.recommended,
  {
    rules: {
      'no-warning-comments': ['error', { terms: ['todo', 'fixme', 'xxx'], location: 'anywhere' }],
      'max-lines': ['error', { max: 400 }],
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'no-var': 'error',
      'prefer-const': 'error',
      'object-shorthand': 'error',
    },
  },
  {
    files: ['**/*.ts'],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    plugins: { stillroom },
    rules: {
      'stillroom/layers': 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/no-floating-promises': [
        'error',
        { allowForKnownSafeCalls: [{ from: 'package', name: ['describe', 'it', 'test'], package: 'vitest' }] },
      ],
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: false }],
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-unnecessary-type-assertion': 'error',
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrorsIgnorePattern: '^_' },
      ],
    },
  },
  ...svelte.configs.recommended,
  {
    files: ['renderer/**/*.svelte', 'renderer/**/*.svelte.ts'],
    languageOptions: {
      globals: globals.browser,
      parserOptions: {
        projectService: true,
        tsconfigRootDir: import.meta.dirname,
        extraFileExtensions: ['.svelte'],
        parser: tseslint.parser,
      },
    },
    plugins: { stillroom },
    rules: {
      'stillroom/layers': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // svelte-check knows the types of templates; a bare expression in an effect is how one says what it depends on.
      'no-undef': 'off',
      // Props and state are declared with let, as the framework's own documents do.
      'prefer-const': 'off',
      '@typescript-eslint/no-unused-expressions': 'off',
      // Sets and maps of controllers are replaced whole, which is what makes them reactive.
      'svelte/prefer-svelte-reactivity': 'off',
    },
  },
  ...svelte.configs.prettier,
  // Engine code reports through events and errors: standard output belongs to the front doors.
  { files: ['engine/**/*.ts'], ignores: ['**/*.test.ts'], rules: { 'no-console': 'error' } },
  // Tables of cases are read row by row and may be longer.
  { files: ['**/*.test.ts'], rules: { 'max-lines': ['error', { max: 600 }] } },
  { files: ['**/*.mjs'], languageOptions: { globals: globals.node } },
  ...LONG_FILES.map((file) => ({ files: [file], rules: { 'max-lines': 'off' } })),
  prettier,
)
