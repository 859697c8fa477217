// Words of a text, and numbers for those that are distinct, so that each is normalised and stemmed once.
//
// Boundaries are those of UAX #29 (as Lucene's StandardTokenizer draws them), with rules of our own where that standard
// leaves a word nobody searches for; `retrieve/text/word_forms.py` says what becomes of a word. A word is found in the
// text as it stands, so that its place needs no map back from a normal form.

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "arrays.hpp"
#include "characters.hpp"
#include "module.hpp"
#include "word_classes.hpp"

namespace core {
namespace {

constexpr std::uint32_t ZERO_WIDTH_NON_JOINER = 0x200C, ZERO_WIDTH_JOINER = 0x200D;
constexpr std::size_t LONGEST_BESIDE_AMPERSAND = 3;

WordClass class_of(std::uint32_t character) { return WordClass(WORD_CLASSES[WORD_PAGES[character >> 8]][character & 255]); }

bool is_hebrew(std::uint32_t c) { return c >= 0x05D0 && c <= 0x05EA; }
bool is_arabic(std::uint32_t c) {
    return (c >= 0x0600 && c <= 0x06FF) || (c >= 0x0750 && c <= 0x077F) || (c >= 0x08A0 && c <= 0x08FF) ||
           (c >= 0xFB50 && c <= 0xFDFF) || (c >= 0xFE70 && c <= 0xFEFC);
}
bool is_regional(std::uint32_t c) { return c >= 0x1F1E6 && c <= 0x1F1FF; }
bool is_core(WordClass c) { return c == LETTER || c == DIGIT || c == CONNECTOR; }

// Where a word stands, and whether it is a run of a script without spaces.
struct Span {
    std::size_t start, end;
    bool unspaced;
};

// Goes through a text word by word. `Character` is how wide Python stores it.
template <class Character> class Scanner {
  public:
    Scanner(const Character *text, std::size_t size) : text_(text), size_(size) {}

    // The next word, or false at the end.
    bool next(Span &found) {
        while (at_ < size_) {
            const std::size_t start = at_;
            const bool behind_letter = start == letter_end_;
            switch (kind(at_)) {
            case LETTER:
            case DIGIT:
            case CONNECTOR:
                if (!take_word())
                    continue;
                found = {start, at_, false};
                return true;
            case UNSPACED:
                do
                    ++at_;
                while (at_ < size_ && (kind(at_) == UNSPACED || kind(at_) == MARK));
                found = {start, at_, true};
                return true;
            case EMOJI:
                take_emoji();
                found = {start, at_, false};
                return true;
            case SYMBOL:
                ++at_;
                skip_marks();
                found = {start, at_, false};
                return true;
            case SUPERSCRIPT: // the mark of a note behind a letter, an exponent behind a digit
                do
                    ++at_;
                while (at_ < size_ && (kind(at_) == SUPERSCRIPT || kind(at_) == MARK));
                if (behind_letter)
                    continue;
                found = {start, at_, false};
                return true;
            default:
                ++at_;
            }
        }
        return false;
    }

  private:
    WordClass kind(std::size_t i) const { return class_of(text_[i]); }

    void skip_marks() {
        while (at_ < size_ && kind(at_) == MARK)
            ++at_;
    }

    // Marks behind a letter; false where one of them ends the word: Persian parts words by a joiner that does not join.
    bool take_marks() {
        const bool parts = is_arabic(text_[at_ - 1]);
        for (; at_ < size_ && kind(at_) == MARK; ++at_)
            if (parts && text_[at_] == ZERO_WIDTH_NON_JOINER)
                return false;
        return true;
    }

    // The class behind one character and its marks.
    WordClass kind_behind(std::size_t i) const {
        do
            ++i;
        while (i < size_ && kind(i) == MARK);
        return i < size_ ? kind(i) : PARTS;
    }

    // A word of letters, digits and connectors; false for one of connectors alone.
    bool take_word() {
        WordClass last = PARTS;
        std::size_t letters = 0; // of a word of nothing else so far
        bool plain = true, any = false;
        for (;;) {
            const WordClass here = kind(at_);
            if (is_core(here)) {
                const std::size_t first = at_;
                while (at_ + 1 < size_ && kind(at_ + 1) == here)
                    ++at_;
                last = here;
                any |= here != CONNECTOR;
                plain &= here == LETTER;
                letters += at_ + 1 - first;
            }
            const std::size_t base = at_++;
            const bool goes_on = take_marks();
            if (!goes_on || at_ >= size_ || !joins(base, last, plain, letters)) {
                letter_end_ = last == LETTER ? at_ : letter_end_;
                return any;
            }
        }
    }

    // Whether the character at hand belongs to the word before it.
    bool joins(std::size_t base, WordClass last, bool &plain, std::size_t &letters) {
        const WordClass here = kind(at_);
        switch (here) {
        case LETTER:
        case DIGIT:
        case CONNECTOR:
            return true;
        case BETWEEN_LETTERS:
            return last == LETTER && kind_behind(at_) == LETTER;
        case BETWEEN_DIGITS:
            return last == DIGIT && kind_behind(at_) == DIGIT;
        case BETWEEN_BOTH:
            return (last == LETTER || last == DIGIT) && kind_behind(at_) == last;
        case AMPERSAND: { // AT&T
            if (!plain || letters > LONGEST_BESIDE_AMPERSAND)
                return false;
            std::size_t end = at_ + 1;
            while (end < size_ && end - at_ <= LONGEST_BESIDE_AMPERSAND + 1 && kind(end) == LETTER)
                ++end;
            const std::size_t behind = end - at_ - 1;
            if (behind == 0 || behind > LONGEST_BESIDE_AMPERSAND || (end < size_ && joined_class(kind(end))))
                return false;
            plain = false;
            return true;
        }
        default: // צה"ל
            return text_[at_] == '"' && is_hebrew(text_[base]) && at_ + 1 < size_ && is_hebrew(text_[at_ + 1]);
        }
    }

    static bool joined_class(WordClass c) { return is_core(c) || c == AMPERSAND || c == MARK; }

    void take_emoji() {
        const bool flag = is_regional(text_[at_]);
        ++at_;
        skip_marks();
        if (flag) {
            if (at_ < size_ && is_regional(text_[at_])) {
                ++at_;
                skip_marks();
            }
            return;
        }
        while (at_ < size_ && kind(at_) == EMOJI && text_[at_ - 1] == ZERO_WIDTH_JOINER) {
            ++at_;
            skip_marks();
        }
    }

    const Character *text_;
    std::size_t size_;
    std::size_t at_ = 0;
    std::size_t letter_end_ = std::size_t(-1); // where the last word ended, if with a letter
};

void put_utf8(std::string &out, std::uint32_t c) {
    if (c < 0x80) {
        out.push_back(char(c));
    } else if (c < 0x800) {
        out.push_back(char(0xC0 | c >> 6));
        out.push_back(char(0x80 | (c & 63)));
    } else if (c < 0x10000) {
        out.push_back(char(0xE0 | c >> 12));
        out.push_back(char(0x80 | (c >> 6 & 63)));
        out.push_back(char(0x80 | (c & 63)));
    } else {
        out.push_back(char(0xF0 | c >> 18));
        out.push_back(char(0x80 | (c >> 12 & 63)));
        out.push_back(char(0x80 | (c >> 6 & 63)));
        out.push_back(char(0x80 | (c & 63)));
    }
}

// Distinct words, numbered in the order in which they were first met: an open table of hashes over one run of bytes.
class WordTable {
  public:
    // `lower`: capitals of ASCII are one word with their small letters (not so in Turkish).
    explicit WordTable(bool lower) : lower_(lower) { clear(); }

    void clear() {
        bytes_.clear();
        ends_.assign(1, 0);
        hashes_.clear();
        slots_.assign(1 << 12, FREE);
    }

    std::size_t size() const { return hashes_.size(); }
    std::size_t bytes() const { return bytes_.size(); }

    // Appends the number of each word of a text, in order.
    void number_words(nb::str text, std::vector<std::uint32_t> &found) {
        with_characters(text, [&](const auto *characters, std::size_t size) {
            Scanner scanner(characters, size);
            for (Span span; scanner.next(span);)
                found.push_back(number(characters + span.start, span.end - span.start));
        });
    }

    // The number of each word of a text, in order.
    Owned<std::uint32_t> numbers(nb::str text) {
        found_.clear();
        number_words(text, found_);
        Owned<std::uint32_t> out(found_.size());
        std::copy(found_.begin(), found_.end(), out.begin());
        return out;
    }

    // The words from a number on, as they stood in the text.
    nb::list from(std::size_t first) const {
        nb::list out;
        for (std::size_t i = first; i < size(); ++i)
            out.append(nb::str(bytes_.data() + ends_[i], ends_[i + 1] - ends_[i]));
        return out;
    }

  private:
    static constexpr std::uint32_t FREE = 0xFFFFFFFF;

    template <class Character> std::uint32_t number(const Character *word, std::size_t size) {
        key_.resize(size);
        std::uint32_t all = 0;
        for (std::size_t i = 0; i < size; ++i) {
            const std::uint32_t c = word[i];
            all |= c;
            key_[i] = char(lower_ && c - 'A' < 26 ? c | 32 : c);
        }
        if (all >= 0x80) {
            key_.clear();
            for (std::size_t i = 0; i < size; ++i)
                put_utf8(key_, word[i]);
        }
        return number_of_key();
    }

    std::uint32_t number_of_key() {
        const std::uint64_t hash = hash_of(key_.data(), key_.size());
        std::size_t mask = slots_.size() - 1, slot = hash & mask;
        for (; slots_[slot] != FREE; slot = (slot + 1) & mask) {
            const std::uint32_t there = slots_[slot];
            if (hashes_[there] == hash && ends_[there + 1] - ends_[there] == key_.size() &&
                std::memcmp(bytes_.data() + ends_[there], key_.data(), key_.size()) == 0)
                return there;
        }
        const auto added = std::uint32_t(size());
        slots_[slot] = added;
        hashes_.push_back(hash);
        bytes_ += key_;
        ends_.push_back(bytes_.size());
        if (2 * size() > slots_.size())
            grow();
        return added;
    }

    void grow() {
        slots_.assign(2 * slots_.size(), FREE);
        const std::size_t mask = slots_.size() - 1;
        for (std::size_t i = 0; i < size(); ++i) {
            std::size_t slot = hashes_[i] & mask;
            while (slots_[slot] != FREE)
                slot = (slot + 1) & mask;
            slots_[slot] = std::uint32_t(i);
        }
    }

    static std::uint64_t hash_of(const char *data, std::size_t size) {
        std::uint64_t hash = 0x9E3779B97F4A7C15u ^ size;
        for (; size >= 8; data += 8, size -= 8) {
            std::uint64_t part;
            std::memcpy(&part, data, 8);
            hash = mix(hash ^ part);
        }
        std::uint64_t rest = 0;
        std::memcpy(&rest, data, size);
        return mix(hash ^ rest);
    }

    static std::uint64_t mix(std::uint64_t value) {
        value *= 0xD6E8FEB86659FD93u;
        return value ^ value >> 32;
    }

    bool lower_;
    std::string bytes_, key_;
    std::vector<std::size_t> ends_;
    std::vector<std::uint64_t> hashes_;
    std::vector<std::uint32_t> slots_, found_;
};

// Rows of terms: each distinct word is given the numbers of its terms once, and rows are made of these.
class TermRows {
  public:
    explicit TermRows(bool lower) : words_(lower) {}

    std::size_t words() const { return words_.size(); }
    std::size_t waiting() const { return waiting_.size(); }
    nb::list since(std::size_t first) const { return words_.from(first); }

    // Adds a row of the words of some texts.
    void add(nb::list texts) {
        for (nb::handle text : texts)
            words_.number_words(nb::cast<nb::str>(text), waiting_);
        ends_.push_back(waiting_.size());
    }

    // Of the next words in order: how many terms each has, and all of these.
    void define(std::span<const std::uint32_t> counts, std::span<const std::uint32_t> terms) {
        for (const std::uint32_t count : counts)
            term_starts_.push_back(term_starts_.back() + count);
        terms_.insert(terms_.end(), terms.begin(), terms.end());
    }

    // Turns the words of the rows that wait into their terms; all words have to be defined.
    void settle() {
        std::size_t at = 0;
        for (const std::size_t end : ends_) {
            for (; at < end; ++at) {
                const std::size_t word = waiting_[at];
                for (std::size_t i = term_starts_[word]; i < term_starts_[word + 1]; ++i)
                    stream_.push_back(terms_[i]);
            }
            starts_.push_back(std::int64_t(stream_.size()));
        }
        waiting_.clear();
        ends_.clear();
    }

    // The terms of all rows, one after the other, and where each row starts; they are gone from here then.
    std::pair<Owned<std::uint32_t>, Owned<std::int64_t>> take() {
        Owned<std::uint32_t> stream(stream_.size());
        Owned<std::int64_t> starts(starts_.size());
        std::copy(stream_.begin(), stream_.end(), stream.begin());
        std::vector<std::uint32_t>().swap(stream_);
        std::copy(starts_.begin(), starts_.end(), starts.begin());
        starts_.assign(1, 0);
        return {std::move(stream), std::move(starts)};
    }

  private:
    WordTable words_;
    std::vector<std::uint32_t> waiting_, terms_, stream_;
    std::vector<std::size_t> ends_, term_starts_{0};
    std::vector<std::int64_t> starts_{0};
};

// Start and end of each word of a text, one after the other, and which of them are runs of a script without spaces.
std::pair<Owned<std::int64_t>, Owned<std::int64_t>> word_spans(nb::str text) {
    std::vector<std::int64_t> bounds, runs;
    with_characters(text, [&](const auto *characters, std::size_t size) {
        Scanner scanner(characters, size);
        for (Span span; scanner.next(span);) {
            if (span.unspaced)
                runs.push_back(std::int64_t(bounds.size() / 2));
            bounds.push_back(std::int64_t(span.start));
            bounds.push_back(std::int64_t(span.end));
        }
    });
    Owned<std::int64_t> found(bounds.size()), unspaced(runs.size());
    std::copy(bounds.begin(), bounds.end(), found.begin());
    std::copy(runs.begin(), runs.end(), unspaced.begin());
    return {std::move(found), std::move(unspaced)};
}

// How many words a text has, or -1 where some are runs of a script without spaces.
std::int64_t count_words(nb::str text) {
    return with_characters(text, [](const auto *characters, std::size_t size) {
        Scanner scanner(characters, size);
        std::int64_t n = 0;
        for (Span span; scanner.next(span); ++n)
            if (span.unspaced)
                return std::int64_t(-1);
        return n;
    });
}

} // namespace

void bind_words(nb::module_ &m) {
    nb::class_<WordTable>(m, "WordTable")
        .def(nb::init<bool>(), nb::arg("lower"))
        .def("clear", &WordTable::clear)
        .def("numbers", &WordTable::numbers)
        .def("since", &WordTable::from)
        .def_prop_ro("bytes", &WordTable::bytes)
        .def("__len__", &WordTable::size);
    nb::class_<TermRows>(m, "TermRows")
        .def(nb::init<bool>(), nb::arg("lower"))
        .def("add", &TermRows::add)
        .def("since", &TermRows::since)
        .def("define", &TermRows::define)
        .def("settle", &TermRows::settle)
        .def("take", &TermRows::take)
        .def_prop_ro("words", &TermRows::words)
        .def_prop_ro("waiting", &TermRows::waiting);
    m.def("word_spans", &word_spans);
    m.def("count_words", &count_words);
}

} // namespace core
