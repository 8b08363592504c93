/** The metrics. Generated from the files of this folder by `npm run gen`; do not edit. */
import agreement from './agreement.ts'
import ece from './ece.ts'
import klToTeacher from './klToTeacher.ts'
import mae from './mae.ts'
import miou from './miou.ts'
import mse from './mse.ts'
import nll from './nll.ts'
import r2 from './r2.ts'
import squaredError from './squaredError.ts'
import top1 from './top1.ts'
import top5 from './top5.ts'

export const metrics = [agreement, ece, klToTeacher, mae, miou, mse, nll, r2, squaredError, top1, top5]
