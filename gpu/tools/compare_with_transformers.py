#!/usr/bin/env python3
"""Holds a backend against Hugging Face's transformers, on the same random weights: logits, and how fast both go on.

    gpu/tools/compare_with_transformers.py build/gpu/bin [--backend cuda] [--shape small|phi3-mini]

Needs torch and transformers; without them it says so and ends with 0. Nothing is downloaded. Exit code 1: logits are
farther apart than numbers of the weights' kind explain.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

TOLERANCE = 0.04  # of the largest logit: bf16 has 8 bits, and each rounds in its own places
BATCH, CONTEXT, NEW_TOKENS = 32, 512, 64


def logits_of(programs, backend, folder, tokens):
    said = subprocess.run([programs / "casc-gpu-check", "logits", backend, folder, *map(str, tokens)],
                          check=True, capture_output=True, text=True).stdout
    return [float(number) for number in said.split()]


def compare(model, torch, programs, backend, folder, vocabulary, device):
    worst = 0.0
    for length in (1, 7, 64, 200):
        tokens = [(length + 37 * i) % vocabulary for i in range(length)]
        with torch.no_grad():
            wanted = model(torch.tensor([tokens], device=device)).logits[0, -1].float().cpu()
        found = torch.tensor(logits_of(programs, backend, folder, tokens))
        apart = ((wanted - found).abs().max() / wanted.abs().max()).item()
        print(f"{length:5} tokens: logits apart by {apart:.1e} of the largest")
        worst = max(worst, apart)
    return worst <= TOLERANCE


def tokens_per_second(model, torch, device):
    prompts = torch.randint(0, 1000, (BATCH, CONTEXT), device=device)
    seconds = []
    for count in (1, 1 + NEW_TOKENS):  # the prompt alone, and with what follows
        best = float("inf")
        for _ in range(3):
            began = time.perf_counter()
            model.generate(prompts, min_new_tokens=count, max_new_tokens=count, do_sample=False)
            if device != "cpu":
                torch.cuda.synchronize()
            best = min(best, time.perf_counter() - began)
        seconds.append(best)
    return BATCH * NEW_TOKENS / (seconds[1] - seconds[0])


def our_tokens_per_second(programs, shape, backend):
    said = subprocess.run([programs / "casc-gpu-bench", shape, str(CONTEXT), backend],
                          check=True, capture_output=True, text=True).stdout
    print(said, end="")
    # The table's rows begin with how many sequences there are, milliseconds and tokens a second.
    rows = (line.split() for line in said.splitlines())
    return next(float(row[2]) for row in rows if row and row[0] == str(BATCH))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs", type=pathlib.Path, help="the folder of casc-gpu-check and casc-gpu-bench")
    parser.add_argument("--backend", default="cuda", choices=("cpu", "cuda"))
    parser.add_argument("--shape", default="small", choices=("small", "phi3-mini"))
    parser.add_argument("--speed", action="store_true", help=f"also {BATCH} sequences of {CONTEXT} tokens in both")
    arguments = parser.parse_args()
    try:
        import torch
        from transformers import Phi3Config, Phi3ForCausalLM
    except ImportError as missing:
        print(f"skipped: {missing}")
        return 0
    device = "cuda" if arguments.backend == "cuda" else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        print("skipped: no GPU")
        return 0
    sizes = {"small": dict(hidden_size=768, intermediate_size=2048, num_hidden_layers=6, num_attention_heads=8,
                           num_key_value_heads=8, vocab_size=32000),
             "phi3-mini": dict(hidden_size=3072, intermediate_size=8192, num_hidden_layers=32,
                               num_attention_heads=32, num_key_value_heads=32, vocab_size=32064)}[arguments.shape]
    config = Phi3Config(**sizes, max_position_embeddings=4096, original_max_position_embeddings=4096,
                        sliding_window=None, tie_word_embeddings=False, pad_token_id=0)
    torch.manual_seed(1)
    torch.set_default_dtype(torch.bfloat16)
    model = Phi3ForCausalLM(config).to(torch.bfloat16).to(device).eval()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        model.save_pretrained(folder, safe_serialization=True)
        # What this backend does not know it refuses: nothing but the shape is said.
        written = json.loads((folder / "config.json").read_text())
        keys = ("model_type", "architectures", "hidden_size", "intermediate_size", "num_hidden_layers",
                "num_attention_heads", "num_key_value_heads", "vocab_size", "max_position_embeddings",
                "original_max_position_embeddings", "rms_norm_eps", "rope_theta", "tie_word_embeddings", "hidden_act")
        (folder / "config.json").write_text(json.dumps({key: written[key] for key in keys if key in written}))
        is_good = compare(model, torch, arguments.programs, arguments.backend, folder, sizes["vocab_size"], device)
    if arguments.speed:
        theirs = tokens_per_second(model, torch, device)
        del model
        if device == "cuda":
            torch.cuda.empty_cache()
        ours = our_tokens_per_second(arguments.programs, arguments.shape, arguments.backend)
        print(f"{BATCH} sequences of {CONTEXT} tokens: transformers' generate {theirs:.0f} tokens/s, casc {ours:.0f}, "
              f"{ours / theirs:.1f} times as many")
    print("the same" if is_good else "NOT the same")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
