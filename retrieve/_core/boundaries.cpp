// Where paragraphs, sentences and words of a text end: `retrieve/text/boundaries.py` says by which rules.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "arrays.hpp"
#include "break_classes.hpp"
#include "characters.hpp"
#include "module.hpp"
#include "word_classes.hpp"

namespace core {
namespace {

using Positions = std::vector<std::int64_t>;

constexpr std::size_t LONGEST_BEFORE = 16; // characters looked at in front of a full stop: longer words are no abbreviations

// In alphabetical order.
constexpr std::string_view ABBREVIATIONS[] = {
    "al",  "approx", "art", "arts", "bzw", "ca",  "cf",   "ch",    "co", "corp", "dept", "dr",   "ed",  "eds", "eq", "fig",
    "figs", "inc",   "jr",  "ltd",  "messrs", "mr", "mrs", "ms",   "no", "nos",  "nr",   "op",   "para", "paras", "pp", "prof",
    "ref", "reg",    "regs", "sec", "sr",  "st",  "tab",  "univ",  "usw", "viz", "vol",  "vols", "vs"};

std::uint8_t bits_of(std::uint32_t c) { return BREAK_CLASSES[BREAK_PAGES[c >> 8]][c & 255]; }

bool is_digit(std::uint32_t c) {
    const std::uint8_t kind = WORD_CLASSES[WORD_PAGES[c >> 8]][c & 255];
    return kind == DIGIT || kind == SUPERSCRIPT;
}

template <class Character> class Text {
  public:
    Text(const Character *text, std::size_t size) : text_(text), size_(size) {}

    void find(Positions &paragraphs, Positions &sentences, Positions &words) const {
        find_sentences(sentences);
        find_blank_lines(paragraphs);
        if (paragraphs.empty())
            std::copy_if(sentences.begin(), sentences.end(), std::back_inserter(paragraphs),
                         [&](std::int64_t end) { return line_end(std::size_t(end)) != 0; });
        for (std::size_t i = 1; i < size_; ++i)
            if (is(i, PARTS_WORDS) && !is(i - 1, PARTS_WORDS))
                words.push_back(std::int64_t(i));
    }

  private:
    bool is(std::size_t i, std::uint8_t wanted) const { return (bits_of(text_[i]) & wanted) != 0; }

    std::size_t skip(std::size_t i, std::uint8_t wanted) const {
        while (i < size_ && is(i, wanted))
            ++i;
        return i;
    }

    void find_sentences(Positions &found) const {
        for (std::size_t i = 0; i < size_;) {
            const std::uint8_t bits = bits_of(text_[i]);
            if ((bits & (ENDS_BEFORE_SPACE | ENDS_ANYWHERE)) == 0) {
                ++i;
                continue;
            }
            const std::size_t marks = skip(i, bits & ENDS_ANYWHERE ? ENDS_ANYWHERE : ENDS_BEFORE_SPACE);
            const std::size_t end = skip(marks, CLOSES);
            if (bits & ENDS_BEFORE_SPACE) {
                const std::size_t next = skip(end, SPACE), opened = skip(next, OPENS);
                if (next == end || opened == size_ || !is(opened, STARTS_SENTENCE)) {
                    i = marks; // what closes here may be a mark of its own to come
                    continue;
                }
                if (end == i + 1 && text_[i] == '.' && is_abbreviation(i)) {
                    i = end;
                    continue;
                }
            }
            found.push_back(std::int64_t(end));
            i = end;
        }
    }

    // Whether the full stop at `dot` belongs to the word in front of it.
    bool is_abbreviation(std::size_t dot) const {
        const std::size_t least = dot > LONGEST_BEFORE ? dot - LONGEST_BEFORE : 0;
        std::size_t end = dot;
        if (end > least && text_[end - 1] == '\n')
            --end;
        std::size_t start = end;
        while (start > least && is(start - 1, IN_WORD))
            --start;
        const std::size_t length = end - start;
        if (length <= 1)
            return length == 1;
        if (length == 2 && is_digit(text_[start]) && is_digit(text_[start + 1]))
            return true;
        char lowered[LONGEST_BEFORE];
        for (std::size_t i = 0; i < length; ++i) {
            const std::uint32_t c = text_[start + i];
            if (c >= 0x80)
                return false;
            lowered[i] = char(c - 'A' < 26 ? c | 32 : c);
        }
        return std::binary_search(std::begin(ABBREVIATIONS), std::end(ABBREVIATIONS), std::string_view(lowered, length));
    }

    // Behind the end of the line that begins at `i`, if it holds white space alone; else 0.
    std::size_t line_end(std::size_t i) const {
        while (i < size_ && text_[i] != '\n' && is(i, SPACE))
            ++i;
        return i < size_ && text_[i] == '\n' ? i + 1 : 0;
    }

    void find_blank_lines(Positions &found) const {
        for (std::size_t i = 1; i < size_;) {
            if (!is(i, SPACE) || is(i - 1, SPACE)) {
                ++i;
                continue;
            }
            const std::size_t first = line_end(i), second = first ? line_end(first) : 0;
            if (second)
                found.push_back(std::int64_t(i));
            i = skip(i, SPACE);
        }
    }

    const Character *text_;
    std::size_t size_;
};

Owned<std::int64_t> owned(const Positions &found) {
    Owned<std::int64_t> out(found.size());
    std::copy(found.begin(), found.end(), out.begin());
    return out;
}

// The ends of paragraphs, sentences and words.
std::tuple<Owned<std::int64_t>, Owned<std::int64_t>, Owned<std::int64_t>> find_breaks(nb::str text) {
    Positions paragraphs, sentences, words;
    with_characters(text, [&](const auto *characters, std::size_t size) {
        Text(characters, size).find(paragraphs, sentences, words);
    });
    return {owned(paragraphs), owned(sentences), owned(words)};
}

} // namespace

void bind_boundaries(nb::module_ &m) { m.def("find_breaks", &find_breaks); }

} // namespace core
