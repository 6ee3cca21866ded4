// What a tokenizer.json may not say: each is refused with its place, since a step that is left out
// gives a model other tokens than it was trained on.

#include "tokenizer_json.hpp"

#include <utility>

using namespace casc;
using namespace casc::gpu;
using namespace casc::gpu::testing;

namespace {

// The trouble with a file of bytes of which one part is another.
std::string trouble_with(std::string TokenizerJson::*part, const std::string& text) {
    TokenizerJson json = byte_level_json();
    json.*part = text;
    return tokenizer_trouble(json.text());
}
std::string marks_trouble_with(std::string TokenizerJson::*part, const std::string& text) {
    TokenizerJson json = marks_json();
    json.*part = text;
    return tokenizer_trouble(json.text());
}

std::string with_instead(std::string text, const std::string& part,
                         const std::string& instead = "") {
    const std::size_t at = text.find(part);
    REQUIRE(at != text.npos);
    return text.replace(at, part.size(), instead);
}

std::string llama3_split(const std::string& regex, const std::string& behavior,
                         const std::string& byte_level) {
    return R"({"type":"Sequence","pretokenizers":[{"type":"Split","pattern":)" + regex + "," +
           behavior + R"(},{"type":"ByteLevel",)" + byte_level + "}]}";
}

const std::string kQwen2Words =
    R"({"Regex":"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"})";

}  // namespace

TEST_CASE("gpu/tokenizer: what is no tokenizer.json is refused") {
    CHECK(tokenizer_trouble("") ==
          "tokenizer.json: JSON with something that is no value at byte 0");
    CHECK(tokenizer_trouble("[]") == "tokenizer.json: the file must be an object");
    CHECK(tokenizer_trouble("{}") == "tokenizer.json: version is missing");
    CHECK(tokenizer_trouble("{\"x\":1}") == "tokenizer.json: x is not known");
    const std::string good = byte_level_json().text();
    CHECK(tokenizer_trouble(good) == "nothing");
    CHECK(tokenizer_trouble(with_instead(good, R"("version":"1.0")", R"("version":"2.0")")) ==
          "tokenizer.json: version is '2.0'; 1.0 is supported");
    CHECK(tokenizer_trouble(with_instead(good, R"("padding":null)", R"("padding":{"pad_id":0})")) ==
          "tokenizer.json: padding must be null");
    CHECK(tokenizer_trouble(with_instead(good, R"("truncation":null)", R"("truncation":{})")) ==
          "tokenizer.json: truncation must be null");
    CHECK(trouble_with(&TokenizerJson::more, R"("extra":1,)") ==
          "tokenizer.json: extra is not known");
    // Cut anywhere, it is none any more.
    for (std::size_t bytes = 0; bytes < good.size(); bytes += 7)
        CHECK(tokenizer_trouble(good.substr(0, bytes)) != "nothing");
}

TEST_CASE("gpu/tokenizer: models of other kinds and options that change the tokens are refused") {
    const std::string good = byte_level_json().text();
    CHECK(tokenizer_trouble(with_instead(good, R"("type":"BPE")", R"("type":"Unigram")")) ==
          "tokenizer.json: model.type is 'Unigram'; BPE is supported");
    CHECK(tokenizer_trouble(with_instead(good, R"("type":"BPE",)")) ==
          "tokenizer.json: model.type is missing");
    const auto option = [](const char* text) {
        return trouble_with(&TokenizerJson::model_options, text);
    };
    CHECK(
        option(R"("dropout":0.1,)") ==
        "tokenizer.json: model.dropout is not supported: the same text must give the same tokens");
    CHECK(option(R"("end_of_word_suffix":"</w>",)") ==
          "tokenizer.json: model.end_of_word_suffix is not supported");
    CHECK(option(R"("continuing_subword_prefix":"##",)") ==
          "tokenizer.json: model.continuing_subword_prefix is not supported");
    CHECK(option(R"("continuing_subword_prefix":"","end_of_word_suffix":"","dropout":null,)") ==
          "nothing");
    CHECK(option(R"("cache_capacity":1,)") == "tokenizer.json: model.cache_capacity is not known");
    CHECK(option(R"("unk_token":"<none>",)") ==
          "tokenizer.json: model.unk_token is not in the vocabulary");
    CHECK(option(R"("unk_token":7,)") == "tokenizer.json: model.unk_token must be a text");
    CHECK(option(R"("byte_fallback":1,)") ==
          "tokenizer.json: model.byte_fallback must be true or false");
}

TEST_CASE("gpu/tokenizer: vocabularies and rules that cannot be are refused") {
    const std::string good = byte_level_json().text();
    CHECK(tokenizer_trouble(with_instead(good, R"("hell":258)", R"("hell":257)")) ==
          "tokenizer.json: model.vocab.hell is a number that another token has");
    for (const char* number : {"4194304", "-1", "1.5", "\"258\"", "null", "99999999999999999999"})
        CHECK(tokenizer_trouble(
                  with_instead(good, R"("hell":258)", R"("hell":)" + std::string(number))) ==
              "tokenizer.json: model.vocab.hell must be a whole number below 4194304");
    CHECK(tokenizer_trouble(with_instead(good, R"("A":65,)")) ==
          "tokenizer.json: model.vocab has no token for the byte <0x41>");
    CHECK(tokenizer_trouble(with_instead(good, R"("merges":[)", R"("merges":["h x",)")) ==
          "tokenizer.json: model.merges has at 0 tokens that are not in the vocabulary");
    CHECK(tokenizer_trouble(with_instead(good, R"("merges":[)", R"("merges":["h zz",)")) ==
          "tokenizer.json: model.merges has at 0 tokens that are not in the vocabulary");
    for (const char* merge : {R"("h")", R"("h e l")", R"(7)", R"(["h"])", R"(["h","e","l"])",
                              R"(["h",7])", R"(null)", R"("#version: 0.2 x")"})
        CHECK(tokenizer_trouble(with_instead(good, R"("merges":[)",
                                             R"("merges":[)" + std::string(merge) + ",")) ==
              "tokenizer.json: model.merges has at 0 what is no pair of tokens");
    CHECK(tokenizer_trouble(with_instead(good, R"("merges":[)", R"("merges":null,"x":[)")) ==
          "tokenizer.json: model.x is not known");
}

TEST_CASE("gpu/tokenizer: a character that nothing could be written for is trouble beforehand") {
    CHECK(marks_trouble_with(&TokenizerJson::model_options, "") ==
          "tokenizer.json: model.unk_token is missing: what it has no token for would be left out");
    CHECK(tokenizer_trouble(with_instead(marks_json().text(), "<0x0A>", "<0x0a>")) ==
          "tokenizer.json: model.vocab has no token for the byte <0x0A>");
    // A byte that is special could not be written either.
    CHECK(trouble_with(&TokenizerJson::added, R"([{"id":65,"content":"A","special":true}])") ==
          "tokenizer.json: model.vocab has no token for the byte <0x41>");
}

TEST_CASE("gpu/tokenizer: added tokens that contradict are refused") {
    const auto added = [](const std::string& text) {
        return trouble_with(&TokenizerJson::added, text);
    };
    CHECK(added(R"([{"id":300,"content":""}])") ==
          "tokenizer.json: added_tokens[0].content must have from 1 to 512 bytes");
    CHECK(added(R"([{"id":300,"content":")" + std::string(513, 'a') + "\"}]") ==
          "tokenizer.json: added_tokens[0].content must have from 1 to 512 bytes");
    CHECK(added(R"([{"id":300,"content":"x1"},{"id":301,"content":"x1"}])") ==
          "tokenizer.json: added_tokens[1] is there twice, its content or its id");
    CHECK(added(R"([{"id":300,"content":"x1"},{"id":300,"content":"x2"}])") ==
          "tokenizer.json: added_tokens[1] is there twice, its content or its id");
    CHECK(added(R"([{"id":258,"content":"x1"}])") ==
          "tokenizer.json: added_tokens disagrees with model.vocab about the token 258");
    CHECK(added(R"([{"id":300,"content":"hell"}])") ==
          "tokenizer.json: added_tokens disagrees with model.vocab about the token 300");
    CHECK(added(R"([{"id":258,"content":"hell"}])") == "nothing");
    CHECK(added(R"([{"id":300,"content":"x1","single_word":true}])") ==
          "tokenizer.json: added_tokens[0].single_word is not supported");
    CHECK(added(R"([{"id":4194304,"content":"x1"}])") ==
          "tokenizer.json: added_tokens[0].id must be a whole number from 0 to 4194303");
    CHECK(added(R"([{"id":300}])") == "tokenizer.json: added_tokens[0].content is missing");
    CHECK(added(R"([{"id":300,"content":"x1","special":"yes"}])") ==
          "tokenizer.json: added_tokens[0].special must be true or false");
    CHECK(added(R"([{"id":300,"content":"x1","color":1}])") ==
          "tokenizer.json: added_tokens[0].color is not known");
    CHECK(added("{}") == "tokenizer.json: added_tokens must be a list");
}

TEST_CASE("gpu/tokenizer: added tokens that only the normalizer makes one are refused") {
    TokenizerJson json = byte_level_json();
    json.normalizer = R"({"type":"NFC"})";
    const auto added = [&](const std::string& normalized) {
        json.added = R"([{"id":300,"content":"\u00e9!","normalized":true},
                         {"id":301,"content":"e\u0301!","normalized":)" +
                     normalized + "}]";
        return tokenizer_trouble(json.text());
    };
    CHECK(added("true") ==
          "tokenizer.json: added_tokens has two that the normalizer makes '\xC3\xA9!'");
    CHECK(added("false") == "nothing");
}

TEST_CASE("gpu/tokenizer: normalizers that are not known are refused") {
    const auto normalizer = [](const std::string& text) {
        return marks_trouble_with(&TokenizerJson::normalizer, text);
    };
    CHECK(normalizer(R"({"type":"Lowercase"})")
              .starts_with("tokenizer.json: normalizer.type is 'Lowercase'; NFC, Prepend"));
    CHECK(normalizer(R"({"type":"Prepend","prepend":"_"})") ==
          "tokenizer.json: normalizer.prepend must be U+2581");
    CHECK(normalizer(R"({"type":"Replace","pattern":{"String":" "},"content":"_"})") ==
          "tokenizer.json: normalizer.content must be a space, and U+2581 for it");
    CHECK(normalizer(R"({"type":"Replace","pattern":{"String":"a"},"content":"▁"})") ==
          "tokenizer.json: normalizer.pattern.String must be a space, and U+2581 for it");
    CHECK(normalizer(R"({"type":"Replace","pattern":{"Regex":" "},"content":"▁"})") ==
          "tokenizer.json: normalizer.pattern.Regex is not known");
    CHECK(normalizer(R"({"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},
                         {"type":"Prepend","prepend":"▁"}]})") ==
          "tokenizer.json: normalizer.normalizers[1] is there twice");
    CHECK(normalizer(R"({"type":"Sequence","normalizers":[{"type":"Sequence","normalizers":[]}]})")
              .starts_with("tokenizer.json: normalizer.normalizers[0].type is 'Sequence'; "));
    CHECK(normalizer(R"({"type":"NFC","form":1})") ==
          "tokenizer.json: normalizer.form is not known");
    CHECK(normalizer("7") == "tokenizer.json: normalizer.type is missing");
    CHECK(normalizer(R"({"type":"Sequence","normalizers":[]})") == "nothing");
}

TEST_CASE("gpu/tokenizer: pre-tokenizers and regular expressions that are not known are refused") {
    const auto words = [](const std::string& text) {
        return trouble_with(&TokenizerJson::pre_tokenizer, text);
    };
    const std::string isolated = R"("behavior":"Isolated","invert":false)";
    const std::string bytes = R"("add_prefix_space":false,"use_regex":false)";
    CHECK(words(llama3_split(kQwen2Words, isolated, bytes)) == "nothing");
    CHECK(words(R"({"type":"Whitespace"})")
              .starts_with(
                  "tokenizer.json: pre_tokenizer.type is 'Whitespace'; ByteLevel, Metaspace"));
    CHECK(words(llama3_split(R"({"Regex":"\\s+"})", isolated, bytes)) ==
          "tokenizer.json: pre_tokenizer.pretokenizers[0].pattern.Regex is '\\s+'; those of GPT-2, "
          "Llama 3 and Qwen2 are known");
    CHECK(words(llama3_split(R"({"String":" "})", isolated, bytes)) ==
          "tokenizer.json: pre_tokenizer.pretokenizers[0].pattern.String is not known");
    for (const char* behavior :
         {R"("behavior":"Removed","invert":false)", R"("behavior":"Isolated","invert":true)",
          R"("behavior":"MergedWithNext","invert":false)"})
        CHECK(words(llama3_split(kQwen2Words, behavior, bytes)) ==
              "tokenizer.json: pre_tokenizer.pretokenizers[0].behavior must be Isolated, or "
              "Removed with invert");
    CHECK(words(llama3_split(kQwen2Words, isolated, R"("add_prefix_space":false)")) ==
          "tokenizer.json: pre_tokenizer.pretokenizers[1].use_regex must be false behind a Split");
    CHECK(words(llama3_split(kQwen2Words, isolated, R"("use_regex":false)")) ==
          "tokenizer.json: pre_tokenizer.pretokenizers[1].add_prefix_space must be false behind a "
          "Split");
    CHECK(words(R"({"type":"Sequence","pretokenizers":[]})")
              .starts_with("tokenizer.json: pre_tokenizer.type is 'Sequence'; "));
    CHECK(
        words(R"({"type":"Sequence","pretokenizers":[{"type":"Digits"},{"type":"ByteLevel"}]})") ==
        "tokenizer.json: pre_tokenizer.pretokenizers[0].type must be Split");
}

TEST_CASE("gpu/tokenizer: a Metaspace that contradicts itself is refused") {
    const auto words = [](const std::string& text) {
        TokenizerJson json = marks_json();
        json.normalizer = "null";
        json.pre_tokenizer = R"({"type":"Metaspace","replacement":"▁")" + text + "}";
        return tokenizer_trouble(json.text());
    };
    CHECK(words("") == "nothing");
    CHECK(words(R"(,"prepend_scheme":"never","add_prefix_space":false)") == "nothing");
    CHECK(words(R"(,"prepend_scheme":"always","add_prefix_space":false)") ==
          "tokenizer.json: pre_tokenizer.prepend_scheme contradicts add_prefix_space");
    CHECK(words(R"(,"prepend_scheme":"last")") ==
          "tokenizer.json: pre_tokenizer.prepend_scheme is 'last'; always, first and never are "
          "known");
    CHECK(marks_trouble_with(&TokenizerJson::pre_tokenizer,
                             R"({"type":"Metaspace","replacement":"_"})") ==
          "tokenizer.json: pre_tokenizer.replacement must be U+2581");
    CHECK(marks_trouble_with(&TokenizerJson::pre_tokenizer,
                             R"({"type":"Metaspace","replacement":"▁"})") ==
          "tokenizer.json: normalizer marks the beginning, and so does pre_tokenizer");
}

TEST_CASE("gpu/tokenizer: decoders that do not undo the rest are refused") {
    const auto decoder = [](const std::string& text) {
        return marks_trouble_with(&TokenizerJson::decoder, text);
    };
    const auto sequence = [&](const std::string& steps) {
        return decoder(
            R"({"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "})" +
            steps + "]}");
    };
    const std::string bytes = R"(,{"type":"ByteFallback"},{"type":"Fuse"})";
    CHECK(sequence(bytes) == "nothing");
    CHECK(sequence(bytes + R"(,{"type":"Strip","content":" ","start":0,"stop":0})") == "nothing");
    CHECK(sequence(bytes + R"(,{"type":"Strip","content":" ","start":2,"stop":0})") ==
          "tokenizer.json: decoder.decoders[3].start must be a whole number from 0 to 1");
    CHECK(sequence(bytes + R"(,{"type":"Strip","content":" ","start":1,"stop":1})") ==
          "tokenizer.json: decoder.decoders[3].stop must be a whole number from 0 to 0");
    CHECK(sequence(bytes + R"(,{"type":"Strip","content":"_","start":1,"stop":0})") ==
          "tokenizer.json: decoder.decoders[3].content must be a space");
    CHECK(sequence("").starts_with("tokenizer.json: decoder.type is 'Sequence'; "));
    CHECK(sequence(R"(,{"type":"Fuse"},{"type":"ByteFallback"})") ==
          "tokenizer.json: decoder.decoders[1].type must be ByteFallback");
    CHECK(decoder("null") == "tokenizer.json: decoder.type is missing");
    CHECK(decoder(R"({"type":"WordPiece"})")
              .starts_with("tokenizer.json: decoder.type is 'WordPiece'; "));
    CHECK(decoder(R"({"type":"ByteLevel"})") ==
          "tokenizer.json: decoder undoes something else than pre_tokenizer does");
    CHECK(decoder(R"({"type":"Metaspace","replacement":"▁"})") ==
          "tokenizer.json: decoder needs ByteFallback, as the model has byte_fallback");
    CHECK(trouble_with(&TokenizerJson::decoder, R"({"type":"Metaspace","replacement":"▁"})") ==
          "tokenizer.json: decoder undoes something else than pre_tokenizer does");
    CHECK(trouble_with(&TokenizerJson::normalizer, R"({"type":"Prepend","prepend":"▁"})") ==
          "tokenizer.json: normalizer marks spaces for a pre_tokenizer of bytes");
}

TEST_CASE(
    "gpu/tokenizer: templates without a text, with two, or with tokens of nowhere are refused") {
    const auto post = [](const std::string& single, const std::string& ids) {
        return marks_trouble_with(&TokenizerJson::post_processor,
                                  R"({"type":"TemplateProcessing","single":[)" + single +
                                      R"(],"special_tokens":{"x":{"id":"x","ids":)" + ids + "}}}");
    };
    const std::string text = R"({"Sequence":{"id":"A","type_id":0}})";
    const std::string token = R"({"SpecialToken":{"id":"x","type_id":0}})";
    CHECK(post(text, "[1]") == "nothing");
    CHECK(post(token, "[1]") == "tokenizer.json: post_processor.single has no place for the text");
    CHECK(post(text + "," + text, "[1]") ==
          "tokenizer.json: post_processor.single[1].Sequence is there twice");
    CHECK(post(R"({"Sequence":{"id":"B","type_id":0}})", "[1]") ==
          "tokenizer.json: post_processor.single[0].Sequence.id must be A");
    CHECK(post(token + "," + text, "[1000]") ==
          "tokenizer.json: post_processor.special_tokens.x.ids[0] is not in the vocabulary");
    CHECK(post(R"({"SpecialToken":{"id":"y","type_id":0}},)" + text, "[1]") ==
          "tokenizer.json: post_processor.special_tokens.y is missing");
    CHECK(post("7", "[1]") == "tokenizer.json: post_processor.single[0] must be an object");
    CHECK(marks_trouble_with(&TokenizerJson::post_processor, R"({"type":"BertProcessing"})")
              .starts_with("tokenizer.json: post_processor.type is 'BertProcessing'; "));
    const std::string one = marks_json().post_processor;
    CHECK(marks_trouble_with(&TokenizerJson::post_processor,
                             R"({"type":"Sequence","processors":[)" + one + "," + one + "]}") ==
          "tokenizer.json: post_processor.processors[1] is the second template");
}

TEST_CASE("gpu/tokenizer: a template that would make many tokens of a small file is refused") {
    const auto many = [](const std::string& one, int count) {
        std::string list = one;
        for (int i = 1; i < count; ++i)
            list += "," + one;
        return list;
    };
    const std::string text = R"({"Sequence":{"id":"A","type_id":0}})";
    const std::string token = R"({"SpecialToken":{"id":"x","type_id":0}})";
    const auto post = [](const std::string& single, const std::string& ids) {
        return marks_trouble_with(&TokenizerJson::post_processor,
                                  R"({"type":"TemplateProcessing","single":[)" + single +
                                      R"(],"special_tokens":{"x":{"id":"x","ids":[)" + ids +
                                      "]}}}");
    };
    CHECK(post(many(token, 15) + "," + text, "1") == "nothing");
    CHECK(post(many(token, 16) + "," + text, "1") ==
          "tokenizer.json: post_processor.single has more than 16");
    CHECK(post(token + "," + text + "," + token, many("1", 16)) == "nothing");
    CHECK(post(token + "," + text, many("1", 17)) ==
          "tokenizer.json: post_processor.special_tokens.x.ids has more than 16");
    CHECK(post(token + "," + token + "," + text, many("1", 9)) ==
          "tokenizer.json: post_processor.single[1] has, with those beside it, more than 16 "
          "tokens");
    CHECK(post(text + "," + token + "," + token, many("1", 9)) ==
          "tokenizer.json: post_processor.single[2] has, with those beside it, more than 16 "
          "tokens");
}
