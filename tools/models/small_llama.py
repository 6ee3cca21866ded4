"""A transformer of Llama's kind that tells classes apart, with its gradients, in numpy.

Names and shapes of the matrices are those of Hugging Face's LlamaForSequenceClassification. Texts
of a batch are filled up in front, so that all end at the same place, where the answer is read: of
the last layer that place alone is computed. Positions count from the fillers on, which changes
nothing: rotary positions are about distances.

Each step of forward() keeps what its gradient needs; backward() goes the same way back.
"""

import numpy

HIDDEN = -1e9  # a score that leaves nothing of a share, and is a number also where all are hidden


def shapes_of(config):
    hidden, inner, size = config["hidden_size"], config["intermediate_size"], config["head_dim"]
    queries = config["num_attention_heads"] * size
    values = config["num_key_value_heads"] * size
    shapes = {"model.embed_tokens.weight": (config["vocab_size"], hidden)}
    for number in range(config["num_hidden_layers"]):
        layer = {"input_layernorm": (hidden,), "self_attn.q_proj": (queries, hidden),
                 "self_attn.k_proj": (values, hidden), "self_attn.v_proj": (values, hidden),
                 "self_attn.o_proj": (hidden, queries), "post_attention_layernorm": (hidden,),
                 "mlp.gate_proj": (inner, hidden), "mlp.up_proj": (inner, hidden),
                 "mlp.down_proj": (hidden, inner)}
        shapes.update((f"model.layers.{number}.{name}.weight", shape)
                      for name, shape in layer.items())
    shapes["model.norm.weight"] = (hidden,)
    shapes["score.weight"] = (len(config["id2label"]), hidden)
    return shapes


# ---- steps and their gradients -----------------------------------------------------------------

def normalised(x, weight, epsilon):
    scale = 1 / numpy.sqrt((x * x).mean(axis=-1, keepdims=True) + epsilon)
    return x * scale * weight, scale


def normalised_back(dy, x, scale, weight):
    """Gradients of x and of the weight."""
    dweight = (dy * x * scale).reshape(-1, x.shape[-1]).sum(axis=0)
    dy = dy * weight
    shared = (dy * x).mean(axis=-1, keepdims=True) * scale * scale
    return scale * (dy - x * shared), dweight


def multiplied_back(dy, x):
    """The gradient of the matrix in y = x @ matrix.T."""
    return dy.reshape(-1, dy.shape[-1]).T @ x.reshape(-1, x.shape[-1])


def turned(x, cosine, sine):
    """x: [texts, tokens, heads, size]. Backwards with the sine's sign changed."""
    first, second = numpy.split(x, 2, axis=-1)
    return numpy.concatenate([first * cosine - second * sine,
                              second * cosine + first * sine], axis=-1)


def shares_of(scores):
    shares = numpy.exp(scores - scores.max(axis=-1, keepdims=True))
    shares /= shares.sum(axis=-1, keepdims=True)
    return shares


def shares_back(dshares, shares):
    return shares * (dshares - (dshares * shares).sum(axis=-1, keepdims=True))


def filled_up(texts, longest):
    """[texts, longest] tokens, and which of them are none."""
    tokens = numpy.zeros((len(texts), longest), numpy.int64)
    is_filler = numpy.ones((len(texts), longest), bool)
    for row, text in enumerate(texts):
        tokens[row, longest - len(text):] = text
        is_filler[row, longest - len(text):] = False
    return tokens, is_filler


# ---- the model ---------------------------------------------------------------------------------

class SmallLlama:
    def __init__(self, config, rng, dtype=numpy.float32):
        self.config, self.dtype = config, dtype
        shapes = shapes_of(config)
        count = sum(int(numpy.prod(shape)) for shape in shapes.values())
        # All weights in a row, so that the optimiser sees one vector.
        self.flat, self.flat_gradient = numpy.zeros(count, dtype), numpy.zeros(count, dtype)
        self.weights, self.gradients, at = {}, {}, 0
        for name, shape in shapes.items():
            end = at + int(numpy.prod(shape))
            self.weights[name] = self.flat[at:end].reshape(shape)
            self.gradients[name] = self.flat_gradient[at:end].reshape(shape)
            self.weights[name][...] = self.first_values(name, shape, rng)
            at = end

    def first_values(self, name, shape, rng):
        if len(shape) == 1:
            return numpy.ones(shape)
        if name == "model.embed_tokens.weight":
            return 0.5 * rng.standard_normal(shape)
        is_last = name.endswith(("o_proj.weight", "down_proj.weight"))
        depth = (2 * self.config["num_hidden_layers"]) ** 0.5 if is_last else 1
        return rng.standard_normal(shape) / (shape[1] ** 0.5 * depth)

    def logits(self, texts):
        return self.forward(*filled_up(texts, max(map(len, texts))))

    def forward(self, tokens, is_filler, keep=None):
        """keep: what the answer's state is multiplied by (dropout)."""
        length, size = tokens.shape[1], self.config["head_dim"]
        angles = (numpy.arange(length)[:, None] *
                  self.config["rope_theta"] ** (-numpy.arange(0, size, 2) / size))[:, None]
        self.cosine = numpy.cos(angles).astype(self.dtype)
        self.sine = numpy.sin(angles).astype(self.dtype)
        later = numpy.triu(numpy.ones((length, length), bool), 1)
        # [texts, 1, 1, queries, keys]
        self.hidden = (HIDDEN * (later | is_filler[:, None])).astype(self.dtype)[:, None, None]
        self.tokens, self.kept = tokens, []
        x = self.weights["model.embed_tokens.weight"][tokens]
        for number in range(self.config["num_hidden_layers"]):
            x = self.layer_forward(number, x)
        state, scale = normalised(x[:, -1], self.weights["model.norm.weight"],
                                  self.config["rms_norm_eps"])
        kept = state if keep is None else state * keep
        self.last = x, scale, kept, keep
        return kept @ self.weights["score.weight"].T

    def backward(self, dlogits):
        """Leaves its result in `gradients`."""
        x, scale, kept, keep = self.last
        self.gradients["score.weight"][...] = dlogits.T @ kept
        dstate = dlogits @ self.weights["score.weight"]
        if keep is not None:
            dstate = dstate * keep
        dx = numpy.zeros_like(x)
        dx[:, -1], self.gradients["model.norm.weight"][...] = normalised_back(
            dstate, x[:, -1], scale, self.weights["model.norm.weight"])
        for number in reversed(range(self.config["num_hidden_layers"])):
            dx = self.layer_backward(number, dx)
        self.add_embedding_gradient(dx)

    def add_embedding_gradient(self, dx):
        # Sorted and summed: numpy's add.at takes as long as all of the rest.
        tokens, rows = self.tokens.ravel(), dx.reshape(-1, dx.shape[-1])
        order = numpy.argsort(tokens, kind="stable")
        present, first = numpy.unique(tokens[order], return_index=True)
        gradient = self.gradients["model.embed_tokens.weight"]
        gradient[...] = 0
        gradient[present] = numpy.add.reduceat(rows[order], first, axis=0)

    # ---- one layer -----------------------------------------------------------------------------

    def layer_weights(self, number):
        names = {"norm": "input_layernorm", "q": "self_attn.q_proj", "k": "self_attn.k_proj",
                 "v": "self_attn.v_proj", "o": "self_attn.o_proj",
                 "inner_norm": "post_attention_layernorm", "gate": "mlp.gate_proj",
                 "up": "mlp.up_proj", "down": "mlp.down_proj"}
        full = {key: f"model.layers.{number}.{name}.weight" for key, name in names.items()}
        return ({key: self.weights[name] for key, name in full.items()},
                {key: self.gradients[name] for key, name in full.items()})

    def grouped(self, q):
        """By the head of keys that they look at: [texts, kv heads, group * queries, size]"""
        texts, queries, heads, size = q.shape
        kv_heads = self.config["num_key_value_heads"]
        q = q.reshape(texts, queries, kv_heads, heads // kv_heads, size)
        return q.transpose(0, 2, 3, 1, 4).reshape(texts, kv_heads, -1, size)

    def ungrouped(self, x, queries):
        texts, kv_heads, rows, size = x.shape
        x = x.reshape(texts, kv_heads, rows // queries, queries, size)
        return x.transpose(0, 3, 1, 2, 4).reshape(texts, queries, -1, size)

    def layer_forward(self, number, x):
        w, _ = self.layer_weights(number)
        queries = 1 if number + 1 == self.config["num_hidden_layers"] else x.shape[1]
        x, attended = self.attention_forward(w, x, queries)
        x, fed = self.feed_forward(w, x)
        self.kept.append((attended, fed))
        return x

    def layer_backward(self, number, dx):
        w, g = self.layer_weights(number)
        attended, fed = self.kept.pop()
        return self.attention_backward(w, g, self.feed_backward(w, g, dx, fed), attended)

    def attention_forward(self, w, x, queries):
        """Of the last `queries` places."""
        texts, length, _ = x.shape
        size = self.config["head_dim"]
        y, scale = normalised(x, w["norm"], self.config["rms_norm_eps"])
        q = (y[:, -queries:] @ w["q"].T).reshape(texts, queries, -1, size)
        q = self.grouped(turned(q, self.cosine[-queries:], self.sine[-queries:]))
        k = (y @ w["k"].T).reshape(texts, length, -1, size)
        k = turned(k, self.cosine, self.sine).transpose(0, 2, 1, 3)
        v = (y @ w["v"].T).reshape(texts, length, -1, size).transpose(0, 2, 1, 3)
        scores = q @ k.swapaxes(-1, -2) * self.dtype(size ** -0.5)
        by_query = scores.reshape(texts, k.shape[1], -1, queries, length)  # the same memory
        by_query += self.hidden[..., -queries:, :]
        shares = shares_of(scores)
        seen = self.ungrouped(shares @ v, queries).reshape(texts, queries, -1)
        return x[:, -queries:] + seen @ w["o"].T, (x, y, scale, q, k, v, shares, seen)

    def attention_backward(self, w, g, dout, kept):
        x, y, scale, q, k, v, shares, seen = kept
        (texts, length, _), queries, size = x.shape, dout.shape[1], self.config["head_dim"]
        g["o"][...] = multiplied_back(dout, seen)
        dseen = self.grouped((dout @ w["o"]).reshape(texts, queries, -1, size))
        dv = (shares.swapaxes(-1, -2) @ dseen).transpose(0, 2, 1, 3).reshape(texts, length, -1)
        dscores = shares_back(dseen @ v.swapaxes(-1, -2), shares) * self.dtype(size ** -0.5)
        dk = (dscores.swapaxes(-1, -2) @ q).transpose(0, 2, 1, 3)
        dk = turned(dk, self.cosine, -self.sine).reshape(texts, length, -1)
        dq = turned(self.ungrouped(dscores @ k, queries), self.cosine[-queries:],
                    -self.sine[-queries:]).reshape(texts, queries, -1)
        g["q"][...] = multiplied_back(dq, y[:, -queries:])
        g["k"][...], g["v"][...] = multiplied_back(dk, y), multiplied_back(dv, y)
        dy = dk @ w["k"] + dv @ w["v"]
        dy[:, -queries:] += dq @ w["q"]
        dx, g["norm"][...] = normalised_back(dy, x, scale, w["norm"])
        dx[:, -queries:] += dout
        return dx

    def feed_forward(self, w, x):
        y, scale = normalised(x, w["inner_norm"], self.config["rms_norm_eps"])
        gate, up = y @ w["gate"].T, y @ w["up"].T
        sigmoid = 1 / (1 + numpy.exp(-gate))
        inner = gate * sigmoid * up
        return x + inner @ w["down"].T, (x, y, scale, gate, up, sigmoid, inner)

    def feed_backward(self, w, g, dout, kept):
        x, y, scale, gate, up, sigmoid, inner = kept
        g["down"][...] = multiplied_back(dout, inner)
        dinner = dout @ w["down"]
        dup = dinner * gate * sigmoid
        dgate = dinner * up * sigmoid * (1 + gate * (1 - sigmoid))
        g["gate"][...], g["up"][...] = multiplied_back(dgate, y), multiplied_back(dup, y)
        dx, g["inner_norm"][...] = normalised_back(dgate @ w["gate"] + dup @ w["up"], x, scale,
                                                   w["inner_norm"])
        dx += dout
        return dx
