"""The networks of `npm run bench -- train` in PyTorch, on weights given by the names of our files."""
import torch
import torch.nn.functional as F


class Net:
    """Parameters are leaves, running statistics buffers; `forward` is one of the functions below."""

    def __init__(self, forward, weights, extra=None):
        self.p = {k: v.requires_grad_(not k.endswith(("running_mean", "running_var"))) for k, v in weights.items()}
        self.forward, self.extra = forward, extra

    def __call__(self, x):
        return self.forward(self, x)

    def groups(self):
        """With weight decay, and without: vectors are spared."""
        own = [v for v in self.p.values() if v.requires_grad]
        return [v for v in own if v.dim() > 1], [v for v in own if v.dim() <= 1]

    def linear(self, x, name):
        return F.linear(x, self.p[name + ".weight"], self.p[name + ".bias"])

    def conv(self, x, name, stride=1, groups=1):
        w = self.p[name + ".weight"]
        return F.conv2d(x, w, self.p.get(name + ".bias"), stride, (w.shape[-1] - 1) // 2, 1, groups)

    def bn(self, x, name):
        p = self.p
        return F.batch_norm(x, p[name + ".running_mean"], p[name + ".running_var"], p[name + ".weight"], p[name + ".bias"], True, 0.1, 1e-5)

    def conv_norm(self, x, name, stride=1, groups=1):
        return F.relu(self.bn(self.conv(x, name + ".conv", stride, groups), name + ".bn"), inplace=True)

    def layer_norm(self, x, name, eps):
        return F.layer_norm(x, x.shape[-1:], self.p[name + ".weight"], self.p[name + ".bias"], eps)

    def group_norm(self, x, name):
        return F.group_norm(x, 8, self.p[name + ".weight"], self.p[name + ".bias"], 1e-5)


def cnn5(n, x):
    h = x["x"]
    for i, stride in enumerate((1, 2, 1, 2, 1)):
        h = F.relu(n.conv(h, f"conv{i}", stride), inplace=True)
    return n.linear(h.mean((2, 3)), "logits")


def resnet(n, x):
    h = n.conv_norm(x["x"], "stem")
    for stage in (1, 2, 3):
        name, stride = f"stage{stage}.block0", 1 if stage == 1 else 2
        r = n.conv_norm(h, name + ".unit1", stride)
        r = n.bn(n.conv(r, name + ".unit2.conv"), name + ".unit2.bn")
        s = h if stage == 1 else n.bn(n.conv(h, name + ".shortcut.conv", stride), name + ".shortcut.bn")
        h = F.relu(r.add_(s), inplace=True)
    return n.linear(h.mean((2, 3)), "logits")


def folded(w):
    """Batch norms of a frozen network inside its convolutions."""
    out = {k: v for k, v in w.items() if k.startswith("logits")}
    for k in w:
        if k.endswith(".conv.weight"):
            b = k.removesuffix(".conv.weight") + ".bn"
            scale = w[b + ".weight"] / torch.sqrt(w[b + ".running_var"] + 1e-5)
            name = k.removesuffix(".weight")
            out[k] = (w[k] * scale.view(-1, 1, 1, 1)).contiguous(
                memory_format=torch.channels_last if w[k].is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format)
            out[name + ".bias"] = w[b + ".bias"] - w[b + ".running_mean"] * scale
    return out


def resnet_folded(w, x):
    def conv(x, name, stride=1):
        k = w[name + ".conv.weight"]
        return F.conv2d(x, k, w[name + ".conv.bias"], stride, (k.shape[-1] - 1) // 2)

    h = F.relu_(conv(x, "stem"))
    for stage in (1, 2, 3):
        name, stride = f"stage{stage}.block0", 1 if stage == 1 else 2
        r = conv(F.relu_(conv(h, name + ".unit1", stride)), name + ".unit2")
        s = h if stage == 1 else conv(h, name + ".shortcut", stride)
        h = F.relu_(r.add_(s))
    return F.linear(h.mean((2, 3)), w["logits.weight"], w["logits.bias"])


def mobile(n, x):
    h = n.conv_norm(x["x"], "stem")
    for i, stride in enumerate((1, 2, 1, 2, 1)):
        h = n.conv_norm(h, f"block{i}.depthwise", stride, h.shape[1])
        h = n.conv_norm(h, f"block{i}.pointwise")
    return n.linear(h.mean((2, 3)), "logits")


def packed(weights):
    """Our dense weights are [in, out], PyTorch's [out, in]; query, key and value become one matrix, as its own modules have it."""
    out = {}
    for k, v in weights.items():
        stem, _, kind = k.rpartition(".")
        part = stem.rpartition(".")[2]
        if part in ("key", "value"):
            continue
        if part == "query":
            parts = [weights[f"{stem[:-5]}{n}.{kind}"] for n in ("query", "key", "value")]
            out[f"{stem[:-5]}qkv.{kind}"] = torch.cat([t.T if kind == "weight" else t for t in parts]).contiguous()
        elif kind == "weight" and v.dim() == 2 and part in ("output", "inner", "outer", "pooler"):
            out[k] = v.T.contiguous()
        else:
            out[k] = v
    return out


def attention(n, x, name, heads, mask=None):
    b, t, d = x.shape
    q, k, v = n.linear(x, name + ".qkv").view(b, t, 3, heads, d // heads).permute(2, 0, 3, 1, 4).unbind(0)
    y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return n.linear(y.transpose(1, 2).reshape(b, t, d), name + ".output")


def feed_forward(n, x, name):
    return n.linear(F.gelu(n.linear(x, name + ".inner")), name + ".outer")


def vit(n, x):
    w = n.p["patches.weight"]
    h = F.conv2d(x["x"], w, n.p["patches.bias"], w.shape[-1]).flatten(2).transpose(1, 2) + n.p["places"]
    for i in range(6):
        h = h + attention(n, n.layer_norm(h, f"block{i}.norm1", 1e-6), f"block{i}.attention", 3)
        h = h + feed_forward(n, n.layer_norm(h, f"block{i}.norm2", 1e-6), f"block{i}.mlp")
    return n.linear(n.layer_norm(h, "norm", 1e-6).mean(1), "logits")


def mlp(n, x):
    h = x["x"].flatten(1)
    for i in (0, 1):
        h = F.relu(n.linear(h, f"hidden{i}.linear"), inplace=True)
    return n.linear(h, "logits")


def unet(n, x):
    def block(x, name):
        h = n.conv(F.silu(n.group_norm(x, name + ".norm1")), name + ".conv1")
        h = n.conv(F.silu(n.group_norm(h, name + ".norm2")), name + ".conv2")
        return h + (n.conv(x, name + ".shortcut") if name + ".shortcut.weight" in n.p else x)

    h, skips = n.conv(x["x"], "stem"), []
    for level in range(3):
        h = block(h, f"down{level}")
        skips.append(h)
        if level < 2:
            h = n.conv(h, f"down{level}.half", 2)
    b, c, height, width = h.shape
    tokens = n.group_norm(h, "attention.norm").flatten(2).transpose(1, 2)
    h = attention(n, tokens, "attention", 1).transpose(1, 2).reshape(b, c, height, width) + h
    h = block(h, "middle")
    for level in (1, 0):
        h = F.conv_transpose2d(h, n.p[f"up{level}.double.weight"], stride=2)
        h = block(torch.cat([h, skips[level]], 1), f"up{level}")
    return n.conv(F.silu(n.group_norm(h, "norm")), "logits")


def bert(n, x):
    mask = (x["attention_mask"][:, None, None, :] - 1) * 1e4
    h = F.embedding(x["input_ids"].long(), n.p["words"]) + F.embedding(x["token_type_ids"].long(), n.p["segments"]) + n.p["places"]
    h = n.layer_norm(h, "embedding", 1e-12)
    for i in range(4):
        h = n.layer_norm(h + attention(n, h, f"block{i}.attention", 4, mask), f"block{i}.norm1", 1e-12)
        h = n.layer_norm(h + feed_forward(n, h, f"block{i}.mlp"), f"block{i}", 1e-12)
    return n.linear(torch.tanh(n.linear(h[:, 0], "pooler")), "logits")


def lstm_weights(w):
    """ONNX stacks the gates i, o, f, c and has both biases in one; PyTorch i, f, c, o. Their biases are one vector each there."""
    order = lambda v: torch.cat([v.chunk(4)[i] for i in (0, 2, 3, 1)]).contiguous()
    bias = w["layer0.bias"][0]
    half = bias.shape[0] // 2
    module = {"layer0.ih": order(w["layer0.weight"][0]), "layer0.hh": order(w["layer0.recurrence"][0]),
              "layer0.bih": order(bias[:half]), "layer0.bhh": order(bias[half:])}
    return {**module, "logits.weight": w["logits.weight"], "logits.bias": w["logits.bias"]}


def lstm(n, x):
    t = x["x"].permute(2, 0, 1, 3).flatten(2)
    zero = t.new_zeros(1, t.shape[1], n.p["layer0.hh"].shape[1])
    flat = [n.p["layer0." + k] for k in ("ih", "hh", "bih", "bhh")]
    return n.linear(torch._VF.lstm(t, (zero, zero), flat, True, 1, 0.0, True, False, False)[1][0], "logits")


def build(name, weights):
    forward, prepare = {
        "cnn5": (cnn5, None), "resnet8-kd": (resnet, None), "mobilenet-kd": (mobile, None), "vit-tiny": (vit, packed), "mlp": (mlp, None),
        "unet-small": (unet, packed), "bert-mini": (bert, packed), "lstm-kws": (lstm, lstm_weights),
    }[name]
    return Net(forward, prepare(weights) if prepare else weights)
