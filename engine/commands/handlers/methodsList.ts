import { methods } from '../../methods/index.ts'
import { handler } from './handler.ts'

export default handler<'methods.list'>(() => ({
  methods: methods.map(({ key, title, paper, family, status }) => ({ key, title, paper, family, status })),
}))
