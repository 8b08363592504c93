"""The peer's side of `npm run bench -- train`: the same training in PyTorch, as fast as it goes there.

python train.py FOLDER THREADS. FOLDER holds job.json and arrays.npz; lines {"steps": n} are answered by times, losses and memory.
"""
import gc
import json
import os
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

import nets


def memory(field):
    try:
        with open("/proc/self/status") as f:
            return next(int(line.split()[1]) * 1024 for line in f if line.startswith(field))
    except OSError:
        import resource
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


folder, threads = sys.argv[1], int(sys.argv[2])
torch.set_num_threads(threads)
base = memory("VmRSS")
with open(os.path.join(folder, "job.json")) as f:
    job = json.load(f)
arrays = np.load(os.path.join(folder, "arrays.npz"))
part = lambda prefix: {k[len(prefix):]: torch.from_numpy(arrays[k]) for k in arrays.files if k.startswith(prefix)}
student, teacher = part("student/"), part("teacher/")
batches = []
while f"batch{len(batches)}/labels" in arrays.files:
    one = part(f"batch{len(batches)}/")
    labels = one.pop("labels").long()
    batches.append((one, labels))
arrays.close()


class Training:
    """One way to do it: `layout` of four-dimensional tensors, and the form of the optimizer."""

    def __init__(self, layout, how, compiled):
        form = lambda t: t.contiguous(memory_format=layout) if t.dim() == 4 else t
        self.net = nets.build(job["name"], {k: form(v.clone()) for k, v in student.items()})
        self.teacher = nets.folded({k: form(v) for k, v in teacher.items()}) if teacher else None
        self.batches = [({k: form(v) for k, v in x.items()}, y) for x, y in batches]
        decayed, plain = self.net.groups()
        if job["optimizer"] == "sgd":
            self.optimizer = torch.optim.SGD(decayed + plain, lr=job["lr"], momentum=0.9, **how)
        else:
            groups = [{"params": decayed, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}]
            self.optimizer = torch.optim.AdamW(groups, lr=job["lr"], **how)
        self.loss = torch.compile(self.loss_of) if compiled else self.loss_of
        self.at = 0

    def loss_of(self, x, y):
        z = self.net(x)
        if job["task"]["kind"] == "map":
            z = z.permute(0, 2, 3, 1).flatten(0, 2)
        hard = F.cross_entropy(z, y)
        if not self.teacher:
            return hard
        with torch.no_grad():
            t = nets.resnet_folded(self.teacher, x["x"])
        soft = F.kl_div(F.log_softmax(z / 4, 1), F.log_softmax(t / 4, 1), reduction="batchmean", log_target=True)
        return 0.1 * hard + 0.9 * 16 * soft

    def step(self):
        x, y = self.batches[self.at % len(self.batches)]
        self.at += 1
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(x, y)
        loss.backward()
        self.optimizer.step()
        return loss.item()


# With one thread the time on the processor, which other processes do not change.
clock = time.process_time if threads == 1 else time.perf_counter


def timed(training, steps):
    best = float("inf")
    for _ in range(steps):
        start = clock()
        training.step()
        best = min(best, clock() - start)
    return best


ways = [(layout, how, compiled) for layout in (torch.contiguous_format, torch.channels_last)
        for how in ({"fused": True}, {"foreach": True}) for compiled in ((False, True) if job["compile"] else (False,))]
if not any(v.dim() == 4 and v.shape[-1] > 1 for v in student.values()):
    ways = [w for w in ways if w[0] is torch.contiguous_format]
# A trial of a few steps for each; memory of the losers is theirs, so the winner starts in a process of its own.
if len(sys.argv) > 3:
    layout, how, compiled = ways[int(sys.argv[3])]
    training = Training(layout, how, compiled)
    print(json.dumps({"ready": True, "how": {"layout": str(layout).removeprefix("torch."), **how, "compiled": compiled},
                      "versions": {"torch": torch.__version__, "python": sys.version.split()[0],
                                   "blas": "mkl" if torch.backends.mkl.is_available() else "other"}}), flush=True)
    for line in sys.stdin:
        ms, cpu, losses = [], [], []
        for _ in range(json.loads(line)["steps"]):
            start, work = time.perf_counter(), time.process_time()
            losses.append(training.step())
            ms.append((time.perf_counter() - start) * 1000)
            cpu.append((time.process_time() - work) * 1000)
        print(json.dumps({"ms": ms, "cpu": cpu, "losses": losses, "base": base, "peak": memory("VmHWM")}), flush=True)
else:
    times = []
    for way in ways:
        training = Training(*way)
        timed(training, 3)
        times.append(timed(training, 6))
        del training
        gc.collect()
    os.execv(sys.executable, [sys.executable, *sys.argv, str(times.index(min(times)))])
