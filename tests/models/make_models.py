#!/usr/bin/env python3
"""Writes small models of random numbers, one of each kind that casc computes, and what they answer.

    make_models.py FOLDER

Each model is a folder as Hugging Face publishes them (config.json, model.safetensors, or several
files and their index) and has beside that reference.safetensors:

    tokens     I32 [n]              a text
    logits     F32 [n, outputs]     row i: of the text's first i + 1 tokens
    embeddings F32 [n, hidden]      the same, of length 1
    prompt     I32 [p]              \\ of those that generate: the most likely token, p tokens having
    greedy     I32 [g]              / been given, and so on

Here everything is computed in 64 bits, from the beginning for every row, one sequence at a time,
with whole matrices and masks: slow, and too simple to be wrong in the way that the backends could.
The weights are what 16 or 32 bits leave of them, so that what differs is rounding alone. One numpy
writes the same numbers each time. Another may draw others for the same seed (default_rng promises
nothing across versions); then models and answers change together, and nothing else is kept of them.
"""

import json
import math
import pathlib
import struct
import sys

import numpy

TOKENS = 40
PROMPT = 8
GREEDY = 24


# ---- numbers of 16 bits ------------------------------------------------------------------------

def to_bf16(values):
    """The upper halves of floats, rounded to the nearest, to the even one in the middle."""
    bits = values.astype(numpy.float32).view(numpy.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(numpy.uint16)


def from_bf16(bits):
    return (bits.astype(numpy.uint32) << 16).view(numpy.float32)


def stored(values, dtype):
    """The bytes in the file, and the numbers that they mean."""
    if dtype == "BF16":
        bits = to_bf16(values)
        return bits.tobytes(), from_bf16(bits).astype(numpy.float64)
    kind = {"F32": numpy.float32, "F16": numpy.float16}[dtype]
    rounded = values.astype(kind)
    return rounded.tobytes(), rounded.astype(numpy.float64)


# ---- the model, in 64 bits ---------------------------------------------------------------------

def normalised(x, weight, epsilon):
    return x / numpy.sqrt((x * x).mean(axis=-1, keepdims=True) + epsilon) * weight


def rope_of(config, length):
    """Frequencies of the pairs, and by how much queries and keys grow."""
    size = config["head_dim"]
    frequencies = config["rope_theta"] ** (-numpy.arange(0, size, 2) / size)
    scaling = config.get("rope_scaling")
    if scaling is None:
        return frequencies, 1.0
    kind = scaling.get("rope_type", scaling.get("type"))
    if kind == "linear":
        return frequencies / scaling["factor"], 1.0
    if kind == "llama3":
        original = scaling["original_max_position_embeddings"]
        low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
        scaled = []
        for frequency in frequencies:
            wavelength = 2 * math.pi / frequency
            if wavelength > original / low:
                scaled.append(frequency / scaling["factor"])
            elif wavelength < original / high:
                scaled.append(frequency)
            else:
                smooth = (original / wavelength - low) / (high - low)
                scaled.append((1 - smooth) * frequency / scaling["factor"] + smooth * frequency)
        return numpy.array(scaled), 1.0
    original = config["original_max_position_embeddings"]
    name = "long_factor" if length > original else "short_factor"
    growth = config["max_position_embeddings"] / original
    return frequencies / numpy.array(scaling[name]), math.sqrt(
        1 + math.log(growth) / math.log(original))


def turned(x, frequencies, amplitude):
    """x: [tokens, heads, size]"""
    angles = numpy.arange(x.shape[0])[:, None, None] * frequencies
    cosine, sine = amplitude * numpy.cos(angles), amplitude * numpy.sin(angles)
    first, second = numpy.split(x, 2, axis=-1)
    return numpy.concatenate([first * cosine - second * sine,
                              second * cosine + first * sine], axis=-1)


def attention(q, k, v, window):
    length, heads, size = q.shape
    k = numpy.repeat(k, heads // k.shape[1], axis=1)
    v = numpy.repeat(v, heads // v.shape[1], axis=1)
    scores = numpy.einsum("ihd,jhd->hij", q, k) / math.sqrt(size)
    distance = numpy.arange(length)[:, None] - numpy.arange(length)[None, :]
    hidden = (distance < 0) | (distance >= (window or length))
    scores = numpy.where(hidden[None], -numpy.inf, scores)
    shares = numpy.exp(scores - scores.max(axis=-1, keepdims=True))
    shares /= shares.sum(axis=-1, keepdims=True)
    return numpy.einsum("hij,jhd->ihd", shares, v).reshape(length, heads * size)


def last_state(config, weights, tokens):
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    size, epsilon, length = config["head_dim"], config["rms_norm_eps"], len(tokens)
    frequencies, amplitude = rope_of(config, length)
    x = weights["model.embed_tokens.weight"][tokens]
    for number in range(config["num_hidden_layers"]):
        layer = {name.removeprefix(f"model.layers.{number}."): value
                 for name, value in weights.items()}
        y = normalised(x, layer["input_layernorm.weight"], epsilon)
        if config["model_type"] == "phi3":
            q, k, v = numpy.split(y @ layer["self_attn.qkv_proj.weight"].T,
                                  [heads * size, (heads + kv_heads) * size], axis=-1)
        else:
            q, k, v = (y @ layer[f"self_attn.{name}_proj.weight"].T for name in "qkv")
        q = turned(q.reshape(length, heads, size), frequencies, amplitude)
        k = turned(k.reshape(length, kv_heads, size), frequencies, amplitude)
        v = v.reshape(length, kv_heads, size)
        y = attention(q, k, v, config.get("sliding_window"))
        x = x + y @ layer["self_attn.o_proj.weight"].T
        y = normalised(x, layer["post_attention_layernorm.weight"], epsilon)
        if config["model_type"] == "phi3":
            gate, up = numpy.split(y @ layer["mlp.gate_up_proj.weight"].T, 2, axis=-1)
        else:
            gate, up = y @ layer["mlp.gate_proj.weight"].T, y @ layer["mlp.up_proj.weight"].T
        x = x + (gate / (1 + numpy.exp(-gate)) * up) @ layer["mlp.down_proj.weight"].T
    return normalised(x[-1], weights["model.norm.weight"], epsilon)


def head_of(config, weights):
    if "score.weight" in weights:
        return weights["score.weight"]
    if config.get("tie_word_embeddings"):
        return weights["model.embed_tokens.weight"]
    return weights["lm_head.weight"]


# ---- what a model is made of -------------------------------------------------------------------

def config_of(model_type, architecture, **more):
    config = {"model_type": model_type, "architectures": [architecture], "hidden_size": 64,
              "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 4,
              "intermediate_size": 160, "vocab_size": 120, "max_position_embeddings": 64,
              "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu",
              "bos_token_id": 1, "eos_token_id": 2}
    config.update(more)
    config.setdefault("head_dim", config["hidden_size"] // config["num_attention_heads"])
    return config


def shapes_of(config):
    hidden, inner, size = config["hidden_size"], config["intermediate_size"], config["head_dim"]
    queries = config["num_attention_heads"] * size
    values = config["num_key_value_heads"] * size
    shapes = {"model.embed_tokens.weight": (config["vocab_size"], hidden)}
    for number in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{number}."
        shapes[prefix + "input_layernorm.weight"] = (hidden,)
        if config["model_type"] == "phi3":
            shapes[prefix + "self_attn.qkv_proj.weight"] = (queries + 2 * values, hidden)
            shapes[prefix + "mlp.gate_up_proj.weight"] = (2 * inner, hidden)
        else:
            shapes[prefix + "self_attn.q_proj.weight"] = (queries, hidden)
            shapes[prefix + "self_attn.k_proj.weight"] = (values, hidden)
            shapes[prefix + "self_attn.v_proj.weight"] = (values, hidden)
            shapes[prefix + "mlp.gate_proj.weight"] = (inner, hidden)
            shapes[prefix + "mlp.up_proj.weight"] = (inner, hidden)
        shapes[prefix + "self_attn.o_proj.weight"] = (hidden, queries)
        shapes[prefix + "post_attention_layernorm.weight"] = (hidden,)
        shapes[prefix + "mlp.down_proj.weight"] = (hidden, inner)
    shapes["model.norm.weight"] = (hidden,)
    if "ForSequenceClassification" in config["architectures"][0]:
        shapes["score.weight"] = (len(config["id2label"]), hidden)
    elif not config.get("tie_word_embeddings"):
        shapes["lm_head.weight"] = (config["vocab_size"], hidden)
    return shapes


def random_weights(config, dtype, norm_dtype, rng):
    """Each: its type, its bytes, its numbers."""
    weights = {}
    for name, shape in shapes_of(config).items():
        if len(shape) == 1:
            values, kind = 1 + 0.2 * rng.standard_normal(shape), norm_dtype
        elif name == "model.embed_tokens.weight":
            values, kind = rng.standard_normal(shape), dtype
            if not config.get("tie_word_embeddings"):
                values[-1] = numpy.nan  # a token that nobody must be disturbed by
        else:
            values, kind = rng.standard_normal(shape) * 1.5 / math.sqrt(shape[1]), dtype
        weights[name] = (kind, *stored(values, kind))
    return weights


def write_safetensors(path, tensors):
    """tensors: name → (type, shape, bytes)"""
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(shape),
                        "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text +
                     b"".join(data for _, _, data in tensors.values()))


def write_weights(folder, weights, shards):
    tensors = {name: (dtype, values.shape, data)
               for name, (dtype, data, values) in weights.items()}
    if shards == 1:
        return write_safetensors(folder / "model.safetensors", tensors)
    places = {name: f"model-{i % shards + 1:05}-of-{shards:05}.safetensors"
              for i, name in enumerate(tensors)}
    for place in set(places.values()):
        write_safetensors(folder / place, {name: tensor for name, tensor in tensors.items()
                                           if places[name] == place})
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    return None


# ---- what it answers ---------------------------------------------------------------------------

def greedy_answer(config, weights, rng):
    """One whose choices are clear, so that rounding does not make another one of it."""
    head = head_of(config, weights)
    for _ in range(1000):
        prompt = [int(token) for token in rng.integers(3, config["vocab_size"] - 1, PROMPT)]
        tokens, is_clear = list(prompt), True
        while is_clear and len(tokens) < PROMPT + GREEDY:
            logits = head @ last_state(config, weights, tokens)
            second, first = numpy.sort(logits)[-2:]
            tokens.append(int(logits.argmax()))
            # What NaN makes of a state is not wanted here.
            is_clear = first - second > 0.01 and tokens[-1] != config["vocab_size"] - 1
        if is_clear:
            return prompt, tokens[PROMPT:]
    raise SystemExit("no prompt has a clear answer")


def write_reference(path, config, weights, rng):
    tokens = rng.integers(0, config["vocab_size"] - 1, TOKENS)
    states = numpy.array([last_state(config, weights, tokens[:i + 1]) for i in range(TOKENS)])
    embeddings = states / numpy.sqrt((states * states).sum(axis=-1, keepdims=True))
    tensors = {"tokens": tokens.astype(numpy.int32),
               "logits": (states @ head_of(config, weights).T).astype(numpy.float32),
               "embeddings": embeddings.astype(numpy.float32)}
    if "score.weight" not in weights:
        prompt, answer = greedy_answer(config, weights, rng)
        tensors["prompt"] = numpy.array(prompt, numpy.int32)
        tensors["greedy"] = numpy.array(answer, numpy.int32)
    names = {"int32": "I32", "float32": "F32"}
    write_safetensors(path, {name: (names[str(values.dtype)], values.shape, values.tobytes())
                             for name, values in tensors.items()})


def make_model(root, name, seed, config, dtype, norm_dtype=None, shards=1):
    rng = numpy.random.default_rng(seed)
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    weights = random_weights(config, dtype, norm_dtype or dtype, rng)
    write_weights(folder, weights, shards)
    numbers = {tensor: values for tensor, (_, _, values) in weights.items()}
    write_reference(folder / "reference.safetensors", config, numbers, rng)


def main():
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    root = pathlib.Path(sys.argv[1])
    llama = "LlamaForCausalLM"
    make_model(root, "llama", 1, config_of("llama", llama), "F32")
    make_model(root, "llama-grouped-tied", 2,
               config_of("llama", llama, num_key_value_heads=1, tie_word_embeddings=True), "BF16")
    # Nothing is a multiple of a register.
    make_model(root, "llama-odd", 3,
               config_of("llama", llama, hidden_size=45, num_attention_heads=6,
                         num_key_value_heads=2, head_dim=10, intermediate_size=77, vocab_size=101,
                         num_hidden_layers=3), "F16")
    make_model(root, "llama-linear", 4,
               config_of("llama", llama, rope_scaling={"type": "linear", "factor": 4.0}), "BF16")
    make_model(root, "llama-llama3", 5,
               config_of("llama", llama, rope_scaling={
                   "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                   "high_freq_factor": 4.0, "original_max_position_embeddings": 32}), "F32")
    make_model(root, "llama-sharded", 6,
               config_of("llama", llama, num_key_value_heads=2), "BF16", "F32", shards=3)
    make_model(root, "mistral-window", 7,
               config_of("mistral", "MistralForCausalLM", num_key_value_heads=2, head_dim=32,
                         sliding_window=5), "BF16")
    make_model(root, "phi3", 8,
               config_of("phi3", "Phi3ForCausalLM", num_key_value_heads=2, sliding_window=30),
               "F16")
    make_model(root, "phi3-longrope", 9,
               config_of("phi3", "Phi3ForCausalLM", original_max_position_embeddings=16,
                         rope_scaling={"type": "longrope",
                                       "short_factor": [1 + 0.05 * i for i in range(8)],
                                       "long_factor": [1 + 0.5 * i for i in range(8)]}), "F32")
    # Where a default in place of the config's numbers is far off.
    make_model(root, "llama-steep", 11,
               config_of("llama", llama, rope_theta=500.0, rms_norm_eps=0.05), "F32")
    make_model(root, "classifier", 10,
               config_of("llama", "LlamaForSequenceClassification", num_key_value_heads=2,
                         id2label={"0": "ham", "1": "spam", "2": "unsure"}), "BF16")


if __name__ == "__main__":
    main()
