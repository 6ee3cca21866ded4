"""Byte pair encoding, learnt and applied: the kind of tokenizer.json that begins with "ByteLevel".

A text is cut into words by GPT-2's pattern, a word into bytes, and the bytes are joined pair by
pair, the pair first that was the most frequent in training.
"""

import collections
import functools
import heapq
import itertools
import re
import unicodedata

END = "<|end|>"  # behind each text: token 0, where a classifier's answer is read

# GPT-2's, of texts whose letters are 'a', numbers '0' and other signs '!' wherever they are not of
# ASCII: Python's own expressions know no \p{L}.
WORDS = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s+(?!\S)|\s+")


def stand_in(letter):
    if letter.isascii():
        return letter
    kind = unicodedata.category(letter)[0]
    return "a" if kind == "L" else "0" if kind == "N" else "\t" if letter.isspace() else "!"


def words_of(text):
    shape = text if text.isascii() else "".join(map(stand_in, text))
    return [text[word.start():word.end()] for word in WORDS.finditer(shape)]


def byte_alphabet():
    """JSON holds only text: a letter for each byte."""
    seen = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    letters = {byte: chr(byte) for byte in seen}
    hidden = (byte for byte in range(256) if byte not in letters)
    letters.update((byte, chr(0x100 + place)) for place, byte in enumerate(hidden))
    return [letters[byte] for byte in range(256)]


ALPHABET = byte_alphabet()


def spelled(word):
    return [ALPHABET[byte] for byte in word.encode()]


def joined(pieces, left, right):
    result = []
    for piece in pieces:
        if result and result[-1] == left and piece == right:
            result[-1] = left + right
        else:
            result.append(piece)
    return result


class PairCounts:
    """The words of some texts in pieces, and how often each pair of pieces is among them."""

    def __init__(self, texts):
        frequencies = collections.Counter(word for text in texts for word in words_of(text))
        self.words = [(spelled(word), times) for word, times in sorted(frequencies.items())]
        self.times, self.places = collections.Counter(), collections.defaultdict(set)
        for number, (pieces, _) in enumerate(self.words):
            self.count(number, pieces, 1)
        # What it says of a pair may be out of date, and is looked up then.
        self.queue = [(-times, pair) for pair, times in self.times.items()]
        heapq.heapify(self.queue)

    def count(self, number, pieces, sign):
        for pair in zip(pieces, pieces[1:]):
            self.times[pair] += sign * self.words[number][1]
            if sign > 0:
                self.places[pair].add(number)

    def take_most_frequent(self):
        """None: all words are of one piece. Of pairs as frequent, the first in the alphabet."""
        while self.queue:
            times, pair = heapq.heappop(self.queue)
            if self.times[pair] == -times:
                return pair
            if self.times[pair] > 0:
                heapq.heappush(self.queue, (-self.times[pair], pair))
        return None

    def join(self, pair):
        changed = set()
        for number in self.places.pop(pair):
            pieces, times = self.words[number]
            after = joined(pieces, *pair)
            self.count(number, pieces, -1)
            self.count(number, after, 1)
            changed.update(zip(after, after[1:]))
            self.words[number] = after, times
        del self.times[pair]
        for new in changed - {pair}:
            heapq.heappush(self.queue, (-self.times[new], new))


def learn_merges(texts, count):
    """The `count` pairs to join, in their order."""
    counts, merges = PairCounts(texts), []
    while len(merges) < count and (pair := counts.take_most_frequent()):
        merges.append(pair)
        counts.join(pair)
    return merges


class Tokenizer:
    def __init__(self, merges):
        self.merges = merges
        self.ranks = {pair: rank for rank, pair in enumerate(merges)}
        texts = [END, *ALPHABET, *("".join(pair) for pair in merges)]
        # Two pairs may join to the same text, which is one token.
        self.vocabulary = {text: token for token, text in enumerate(dict.fromkeys(texts))}
        self.tokens_of_word = functools.lru_cache(maxsize=1 << 17)(self.tokens_of_word)

    def rank_of(self, pair):
        return self.ranks.get(pair, len(self.ranks))

    def tokens_of_word(self, word):
        pieces = spelled(word)
        while len(pieces) > 1:
            pair = min(zip(pieces, pieces[1:]), key=self.rank_of)
            if pair not in self.ranks:
                break
            pieces = joined(pieces, *pair)
        return [self.vocabulary[piece] for piece in pieces]

    def encode(self, text):
        words = (self.tokens_of_word(word) for word in words_of(text))
        return [*itertools.chain.from_iterable(words), self.vocabulary[END]]

    def as_json(self):
        byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
                      "use_regex": True}
        text = {"Sequence": {"id": "A", "type_id": 0}}
        end = {"SpecialToken": {"id": END, "type_id": 0}}
        return {
            "version": "1.0", "truncation": None, "padding": None,
            "added_tokens": [{"id": 0, "content": END, "single_word": False, "lstrip": False,
                              "rstrip": False, "normalized": False, "special": True}],
            "normalizer": None, "pre_tokenizer": byte_level,
            "post_processor": {
                "type": "TemplateProcessing", "single": [text, end],
                "pair": [text, {"Sequence": {"id": "B", "type_id": 1}}, end],
                "special_tokens": {END: {"id": END, "ids": [0], "tokens": [END]}}},
            "decoder": byte_level,
            "model": {"type": "BPE", "dropout": None, "unk_token": None,
                      "continuing_subword_prefix": None, "end_of_word_suffix": None,
                      "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                      "vocab": self.vocabulary,
                      "merges": [" ".join(pair) for pair in self.merges]}}
