"""What a model has to be better than: words counted by label, each word a witness of its own."""

import collections
import re

import numpy

WORD = re.compile(r"[a-z0-9+]+")


def words_of(text):
    return WORD.findall(text.lower())


class NaiveBayes:
    def __init__(self, texts, labels, label_count, smoothing):
        self.numbers = {}
        counts = collections.Counter()
        for text, label in zip(texts, labels):
            for word in words_of(text):
                counts[self.numbers.setdefault(word, len(self.numbers)), label] += 1
        table = numpy.full((len(self.numbers), label_count), float(smoothing))
        for (word, label), count in counts.items():
            table[word, label] += count
        self.words = numpy.log(table / table.sum(axis=0))
        self.labels = numpy.log(numpy.bincount(labels, minlength=label_count) / len(labels))

    def label(self, text):
        known = [self.numbers[word] for word in words_of(text) if word in self.numbers]
        return int((self.labels + self.words[known].sum(axis=0)).argmax())

    def accuracy(self, texts, labels):
        return sum(self.label(text) == label for text, label in zip(texts, labels)) / len(texts)
