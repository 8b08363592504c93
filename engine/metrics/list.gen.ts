/** The metrics. Generated from the files of this folder by `npm run gen`; do not edit. */
import agreement from './agreement.ts'
import ece from './ece.ts'
import klToTeacher from './klToTeacher.ts'
import mse from './mse.ts'
import nll from './nll.ts'
import top1 from './top1.ts'
import top5 from './top5.ts'

export const metrics = [agreement, ece, klToTeacher, mse, nll, top1, top5]
