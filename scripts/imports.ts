/** The imports of a TypeScript source text, read with TypeScript's own parser. */
import ts from 'typescript'

export interface Import {
  specifier: string
  /** Written `import type` or `export type`, or used in a type only: gone at run time. */
  typeOnly: boolean
  /** 1-based. */
  line: number
  /** 0-based. */
  column: number
}

/** Static imports, re-exports, `import('literal')` and `import('literal').Type`, in source order. */
export function importsOf(source: string, path = 'file.ts'): Import[] {
  const file = ts.createSourceFile(path, source, ts.ScriptTarget.Latest)
  const found: Import[] = []
  const add = (node: ts.Node | undefined, typeOnly: boolean): void => {
    if (!node || !ts.isStringLiteralLike(node)) return
    const { line, character } = file.getLineAndCharacterOfPosition(node.getStart(file))
    found.push({ specifier: node.text, typeOnly, line: line + 1, column: character })
  }
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword)
    else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly)
    else if (ts.isImportTypeNode(node)) add(ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined, true)
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) add(node.arguments[0], false)
    ts.forEachChild(node, visit)
  }
  visit(file)
  return found
}
