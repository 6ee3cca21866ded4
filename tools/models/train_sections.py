#!/usr/bin/python3
"""Trains models/sections: the section of a Debian package by its name and short description.

    apt-get update
    tools/models/train_sections.py               # writes models/sections/1
    tools/models/train_sections.py --tune        # measures a change, writes nothing
    tools/models/train_sections.py --check       # whether the gradients are right, in seconds

One core, and numpy alone. Debian's numpy multiplies matrices with whatever BLAS is installed: with
libopenblas0-serial it takes minutes, with the reference's libblas3 half an hour. The same
packages, seed and BLAS give the same model.
"""

import argparse
import json
import os
import pathlib
import struct
import sys
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.dont_write_bytecode = True  # nothing is left in the source tree by a test

import numpy  # noqa: E402: it reads the above when it is loaded

from byte_bpe import Tokenizer, learn_merges  # noqa: E402
from naive_bayes import NaiveBayes  # noqa: E402
from package_sections import HELD_OUT, LABELS, TUNING, known_packages, text_of  # noqa: E402
from small_llama import SmallLlama, filled_up, shares_of  # noqa: E402

SEED = 1
VOCABULARY = 4096
CONTEXT = 128   # tokens; no text of Debian's has half of it
BATCH = 64      # texts
POOL = 64       # batches that are sorted by length together
EPOCHS = 7
RATE = 2e-3     # at its highest
WARM_UP = 300   # batches
DECAY = 0.3     # of weights, AdamW's
DROPPED_TOKENS = 0.3
DROPPED_STATE = 0.3
NORM_MAX = 1.0  # of a batch's gradient

EXAMPLES = [("zathura-jellyfin", "play music from a media server in your terminal"),
            ("libquux-dev", "matrix decompositions - development files"),
            ("python3-tidepool", "client for the Tidepool weather service (Python 3)")]


def config_of(vocabulary_size):
    return {"architectures": ["LlamaForSequenceClassification"], "model_type": "llama",
            "vocab_size": vocabulary_size, "hidden_size": 128, "intermediate_size": 256,
            "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
            "head_dim": 32, "hidden_act": "silu", "max_position_embeddings": CONTEXT,
            "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": False,
            "attention_bias": False, "mlp_bias": False, "torch_dtype": "bfloat16",
            "eos_token_id": 0, "bos_token_id": None,
            "id2label": {str(number): label for number, label in enumerate(LABELS)},
            "label2id": {label: number for number, label in enumerate(LABELS)}}


# ---- training ----------------------------------------------------------------------------------

class Adam:
    """AdamW, of all weights as one vector."""

    def __init__(self, model):
        self.model, self.steps = model, 0
        self.mean = numpy.zeros_like(model.flat)
        self.square = numpy.zeros_like(model.flat)
        self.decay = numpy.zeros_like(model.flat)
        for name, weight in model.weights.items():
            if weight.ndim == 2:  # a norm's weights are not drawn to nothing
                start = (weight.ctypes.data - model.flat.ctypes.data) // weight.itemsize
                self.decay[start:start + weight.size] = DECAY

    def step(self, rate):
        gradient = self.model.flat_gradient
        gradient *= min(1.0, NORM_MAX / (float(numpy.linalg.norm(gradient)) + 1e-9))
        self.steps += 1
        self.mean += 0.1 * (gradient - self.mean)
        self.square += 0.02 * (gradient * gradient - self.square)
        mean = self.mean / (1 - 0.9 ** self.steps)
        square = self.square / (1 - 0.98 ** self.steps)
        self.model.flat -= rate * (mean / (numpy.sqrt(square) + 1e-8) +
                                   self.decay * self.model.flat)


def loss_of(logits, labels):
    """The mean cross entropy, and the logits' gradient."""
    shares = shares_of(logits)
    rows = numpy.arange(len(labels))
    loss = -float(numpy.log(shares[rows, labels] + 1e-30).mean())
    shares[rows, labels] -= 1
    return loss, shares / len(labels)


def batches_of(texts, rng):
    """Numbers of texts. Those of a batch are about as long, so that there is little to fill up."""
    order = rng.permutation(len(texts))
    for at in range(0, len(order), BATCH * POOL):
        pool = sorted(order[at:at + BATCH * POOL], key=lambda number: len(texts[number]))
        batches = [pool[first:first + BATCH] for first in range(0, len(pool), BATCH)]
        yield from (batches[number] for number in rng.permutation(len(batches)))


def thinned(text, rng):
    """Without some of its tokens, so that no single one is relied upon; the last one stays."""
    stays = rng.random(len(text)) >= DROPPED_TOKENS
    stays[-1] = True
    return [token for token, keep in zip(text, stays) if keep]


def rate_at(step, steps):
    return RATE * min(1.0, step / WARM_UP) * (1 - step / steps)


def wait_while(pause_file):
    while pause_file and pause_file.exists():
        time.sleep(1)


def train(model, texts, labels, options):
    rng = numpy.random.default_rng(SEED)
    steps = options.epochs * -(-len(texts) // BATCH)
    adam, recent, progress = Adam(model), None, Progress(steps)
    for epoch in range(options.epochs):
        for batch in batches_of(texts, rng):
            wait_while(options.pause_file)
            some = [thinned(texts[number], rng) for number in batch]
            tokens, is_filler = filled_up(some, max(map(len, some)))
            keep = rng.random((len(some), model.config["hidden_size"])) >= DROPPED_STATE
            keep = keep.astype(model.dtype) / model.dtype(1 - DROPPED_STATE)
            loss, dlogits = loss_of(model.forward(tokens, is_filler, keep), labels[batch])
            model.backward(dlogits.astype(model.dtype))
            adam.step(model.dtype(rate_at(adam.steps, steps)))
            recent = loss if recent is None else recent + 0.01 * (loss - recent)
            progress.show(adam.steps, f"epoch {epoch + 1}/{options.epochs}, loss {recent:.3f}")
    progress.end()


class Progress:
    """A line that changes, on a terminal; else one every minute."""

    def __init__(self, steps):
        self.steps, self.begin, self.shown = steps, time.monotonic(), 0.0
        self.is_terminal = sys.stderr.isatty()

    def show(self, step, what):
        now = time.monotonic()
        if now - self.shown < (0.5 if self.is_terminal else 60) and step < self.steps:
            return
        self.shown = now
        left = (now - self.begin) / step * (self.steps - step)
        print(f"{100 * step / self.steps:3.0f} %, {what}, {left:.0f} s left   ", file=sys.stderr,
              end="\r" if self.is_terminal else "\n", flush=True)

    def end(self):
        if self.is_terminal:
            print(file=sys.stderr)


def predictions(model, texts):
    order = sorted(range(len(texts)), key=lambda number: len(texts[number]))
    labels = numpy.zeros(len(texts), numpy.int64)
    for at in range(0, len(order), 256):
        batch = order[at:at + 256]
        labels[batch] = model.logits([texts[number] for number in batch]).argmax(axis=-1)
    return labels


# ---- what is written ---------------------------------------------------------------------------

def to_bf16(values):
    """The upper halves of floats, rounded to the nearest, to the even one in the middle."""
    bits = values.astype(numpy.float32).view(numpy.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(numpy.uint16)


def round_to_bf16(model):
    model.flat[...] = (to_bf16(model.flat).astype(numpy.uint32) << 16).view(numpy.float32)


def write_safetensors(path, weights):
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, values in weights.items():
        header[name] = {"dtype": "BF16", "shape": list(values.shape),
                        "data_offsets": [offset, offset + 2 * values.size]}
        offset += 2 * values.size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text +
                     b"".join(to_bf16(values).tobytes() for values in weights.values()))


def reference_of(model, tokenizer):
    """Logits of some texts, in 64 bits, from the weights as they are written."""
    exact = SmallLlama(model.config, numpy.random.default_rng(0), numpy.float64)
    exact.flat[...] = model.flat
    entries = []
    for example in EXAMPLES:
        text = text_of(*example)
        tokens = tokenizer.encode(text)
        entries.append({"text": text, "tokens": tokens,
                        "logits": [round(float(x), 7) for x in exact.logits([tokens])[0]]})
    return entries


def write_json(path, value, indent=None):
    path.write_text(json.dumps(value, indent=indent, ensure_ascii=False) + "\n", encoding="utf-8")


def write_model(folder, model, tokenizer):
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", model.config, indent=2)
    write_json(folder / "tokenizer.json", tokenizer.as_json())
    write_json(folder / "reference.json", reference_of(model, tokenizer), indent=1)
    write_safetensors(folder / "model.safetensors", model.weights)


# ---- measured ----------------------------------------------------------------------------------

def report_baselines(seen, unseen):
    texts, labels = [package.text for package in seen], [package.label for package in seen]
    counts = numpy.bincount(labels, minlength=len(LABELS))
    wanted = [package.label for package in unseen]
    share = numpy.mean(numpy.array(wanted) == counts.argmax())
    print(f"always {LABELS[counts.argmax()]}: {100 * share:.1f} %")
    for smoothing in (0.1, 0.3, 1, 3):
        bayes = NaiveBayes(texts, labels, len(LABELS), smoothing)
        right = bayes.accuracy([package.text for package in unseen], wanted)
        print(f"naive Bayes, smoothing {smoothing}: {100 * right:.1f} %")


def report(found, packages):
    wanted = numpy.array([package.label for package in packages])
    print(f"accuracy: {100 * numpy.mean(found == wanted):.2f} % of {len(packages)} packages")
    print("| label | packages | found | right of those so called |\n|---|---|---|---|")
    for number, label in enumerate(LABELS):
        there, called = wanted == number, found == number
        both = int((there & called).sum())
        print(f"| {label} | {there.sum()} | {100 * both / max(1, there.sum()):.0f} % "
              f"| {100 * both / max(1, called.sum()):.0f} % |")


def check_gradients():
    """Against differences, in 64 bits, of a model with little of everything."""
    rng = numpy.random.default_rng(SEED)
    config = config_of(20) | {"hidden_size": 12, "intermediate_size": 10, "head_dim": 4}
    model = SmallLlama(config, rng, numpy.float64)
    batch = filled_up([[5, 3, 9, 3], [7, 1], [2, 4, 6, 8, 0]], 6)
    labels = numpy.array([1, 0, 2])
    model.backward(loss_of(model.forward(*batch), labels)[1])
    gradient, worst = model.flat_gradient.copy(), 0.0
    for at in range(0, model.flat.size, 7):
        value, losses = model.flat[at], []
        for change in (1e-5, -1e-5):
            model.flat[at] = value + change
            losses.append(loss_of(model.forward(*batch), labels)[0])
        model.flat[at] = value
        worst = max(worst, abs((losses[0] - losses[1]) / 2e-5 - gradient[at]))
    print(f"largest difference of a gradient: {worst:.1e}, of gradients up to "
          f"{abs(gradient).max():.2f}")
    return worst < 1e-6


def options_of(arguments):
    root = pathlib.Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=root / "models/sections/1")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--tune", action="store_true", help="held out is another part")
    parser.add_argument("--check", action="store_true", help="check the gradients alone")
    parser.add_argument("--pause-file", type=pathlib.Path, help="waits while this file exists")
    return parser.parse_args(arguments)


def parts(is_tuning):
    """Packages to learn from, and those held out."""
    held_out = TUNING if is_tuning else HELD_OUT
    packages = [package for package in known_packages()
                if not (is_tuning and package.part == HELD_OUT)]
    return ([package for package in packages if package.part != held_out],
            [package for package in packages if package.part == held_out])


def trained_model(seen, options):
    tokenizer = Tokenizer(learn_merges([package.text for package in seen],
                                       VOCABULARY - len(Tokenizer([]).vocabulary)))
    model = SmallLlama(config_of(len(tokenizer.vocabulary)), numpy.random.default_rng(SEED))
    texts = [tokenizer.encode(package.text) for package in seen]
    print(f"{model.flat.size} weights, {sum(map(len, texts)) / len(texts):.1f} tokens a text, "
          f"at most {max(map(len, texts))}", flush=True)
    begin = time.monotonic()
    train(model, texts, numpy.array([package.label for package in seen]), options)
    print(f"trained in {time.monotonic() - begin:.0f} s")
    round_to_bf16(model)
    return model, tokenizer


def main():
    options = options_of(sys.argv[1:])
    if options.check:
        return 0 if check_gradients() else 1
    wait_while(options.pause_file)
    seen, unseen = parts(options.tune)
    print(f"{len(seen)} packages to learn from, {len(unseen)} held out")
    report_baselines(seen, unseen)
    model, tokenizer = trained_model(seen, options)
    report(predictions(model, [tokenizer.encode(package.text) for package in unseen]), unseen)
    if not options.tune:
        write_model(options.out, model, tokenizer)
    return 0


if __name__ == "__main__":
    sys.exit(main())
