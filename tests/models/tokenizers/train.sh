#!/usr/bin/env bash
# train.sh: makes the two tokenizer.model of the tests, from casc's own documents. Run by hand (Debian's package
# `sentencepiece`); the files are kept in git, since another version may train others.
#   bpe.model      as Llama 2's: byte pairs, bytes for what it does not know, texts as they are
#   unigram.model  as T5's in small: the other kind, which changes texts by a table and knows no bytes
set -euo pipefail
cd "$(dirname "$0")"
readonly DOCUMENTS="$(ls ../../../docs/*.md | paste -sd,)"
# Two letters that become others, one that becomes three, and one that goes.
printf 'FF21\t41\nFF42\t62\n2026\t2E 2E 2E\n200B\t\n' >rules.tsv

spm_train --input="$DOCUMENTS" --model_prefix=bpe --model_type=bpe --vocab_size=900 --byte_fallback \
    --normalization_rule_name=identity --remove_extra_whitespaces=false --num_threads=1 --minloglevel=2
spm_train --input="$DOCUMENTS" --model_prefix=unigram --model_type=unigram --vocab_size=500 \
    --normalization_rule_tsv=rules.tsv --num_threads=1 --minloglevel=2
rm -f rules.tsv ./*.vocab
