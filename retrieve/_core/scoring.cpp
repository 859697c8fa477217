// Scores of postings: BM25 and whole impacts, for every row, for some rows, or for the best alone.
//
// What a posting adds depends on two small numbers, term frequency and length, so the usual ones are looked
// up in a table instead of divided (retrieve/index/saturations.py); it holds what `saturation` gives, so the
// scores do not depend on it. A row's score is the sum over the query terms in their order, from 0 on,
// however it comes about.

#include <bit>
#include <tuple>
#include <vector>

#include "blocks.hpp"
#include "module.hpp"
#include "select.hpp"

namespace core {
namespace {

// Term frequencies below this, and lengths below that, are in the table of saturations.
constexpr std::size_t FREQUENCIES = 16, LENGTHS = 4'096;

// Where the terms that decide have less than an 8th as many postings as a block has rows, its other rows are
// not looked at; and where they have less than a 16th as many as another term, that one's are looked up row
// by row.
constexpr std::int64_t SPARSE = 8, RARE = 16;

// A bound on a sum is raised by so much, more than the rounding of as many additions as any query has.
constexpr double ROUNDING = 1 + 1e-9;

using Int64s = std::span<const std::int64_t>;
using Float64s = std::span<const double>;

// What the rows and the parameters give: `columns` says where each length is in the table of saturations, or
// LENGTHS.
template <class Column> struct Formula {
    std::span<const std::uint32_t> lengths;
    std::span<const Column> columns;
    Float64s table;
    double base, slope;

    // The same for the rows of a block, counted from its first.
    Formula of_block(std::int64_t block) const {
        const auto first = std::size_t(block * BLOCK);
        return {lengths.subspan(first), columns.subspan(first), table, base, slope};
    }
};

double saturation(std::uint32_t frequency, std::uint32_t length, double base, double slope) {
    const double tf = double(frequency), added = base + slope * double(length);
    return tf / (tf + added);
}

// The postings of a query term in a block.
struct Entry {
    std::int64_t start, end;
    double weight;
    bool decides = true;

    std::int64_t postings() const { return end - start; }
};

// The entries of query terms in a block, in the terms' order; one allocation serves all blocks.
class Entries {
  public:
    explicit Entries(std::size_t most) : entries_(most), by_weight_(most) {}

    void find(const Blocks &blocks, std::int64_t block, Int64s term_ids, Float64s weights) {
        size_ = 0;
        postings_ = 0;
        for (std::size_t q = 0; q < term_ids.size(); ++q) {
            const std::int64_t entry = blocks.find_entry(block, term_ids[q]);
            if (entry >= 0) {
                entries_[size_] = {blocks.entry_starts[entry], blocks.entry_starts[entry + 1], weights[q]};
                postings_ += entries_[size_].postings();
                by_weight_[size_] = &entries_[size_];
                ++size_;
            }
        }
    }

    // Which terms decide: a row that has none of these scores no more than the threshold, since no saturation
    // is above 1. Returns how many postings they have.
    std::int64_t decide(double threshold) {
        for (const Entry &entry : all())
            if (!(entry.weight >= 0)) // what BM25 does not have
                return postings_;
        const auto end = by_weight_.begin() + std::ptrdiff_t(size_);
        std::sort(by_weight_.begin(), end,
                  [](const Entry *one, const Entry *two) { return one->weight < two->weight; });
        std::int64_t left = postings_;
        double most = 0;
        for (auto lightest = by_weight_.begin(); lightest != end; ++lightest) {
            most += (*lightest)->weight;
            if (!(most * ROUNDING <= threshold))
                break;
            (*lightest)->decides = false;
            left -= (*lightest)->postings();
        }
        return left;
    }

    std::int64_t postings() const { return postings_; }
    std::span<const Entry> all() const { return {entries_.data(), size_}; }

  private:
    std::vector<Entry> entries_;
    std::vector<Entry *> by_weight_;
    std::size_t size_ = 0;
    std::int64_t postings_ = 0;
};

// What a posting adds that is not in the table. `escaped` is the place of the entry's next escaped posting in
// the overflow list, which goes on in step with the postings; -1 before the first.
template <class Column>
[[gnu::cold, gnu::noinline]] double unusual(const Blocks &blocks, std::int64_t posting,
                                            const Formula<Column> &formula, double weight,
                                            std::int64_t &escaped) {
    std::uint32_t frequency = blocks.tfs[posting];
    if (frequency == ESCAPE) {
        if (escaped < 0)
            escaped = std::int64_t(blocks.overflow_from(posting));
        frequency = blocks.overflow_values[escaped++];
    }
    const std::uint32_t length = formula.lengths[blocks.local_rows[posting]];
    return weight * saturation(frequency, length, formula.base, formula.slope);
}

// What the postings of an entry add to the scores of their rows; `formula` is that of the block.
template <class Column> class Values {
  public:
    Values(const Blocks &blocks, const Entry &entry, const Formula<Column> &formula)
        : local_rows_(blocks.local_rows.data()), tfs_(blocks.tfs.data()), columns_(formula.columns.data()),
          table_(formula.table.data()), weight_(entry.weight), blocks_(blocks), formula_(formula) {}

    double of(std::int64_t posting, std::int64_t &escaped) const {
        const std::size_t tf = tfs_[posting], column = columns_[local_rows_[posting]];
        if (tf < FREQUENCIES && (sizeof(Column) == 1 || column < LENGTHS)) [[likely]]
            return weight_ * table_[tf * LENGTHS + column];
        return unusual(blocks_, posting, formula_, weight_, escaped);
    }

  private:
    const std::uint16_t *local_rows_;
    const std::uint8_t *tfs_;
    const Column *columns_;
    const double *table_;
    double weight_;
    const Blocks &blocks_;
    const Formula<Column> &formula_;
};

// Each posting of an entry: found(local row, what it adds to the score). Not inlined, or the block's first
// row would be added to each of them.
template <class Column, class Found>
[[gnu::noinline]] void for_scored(const Blocks &blocks, const Entry &entry, const Formula<Column> &formula,
                                  Found found) {
    const Values<Column> values(blocks, entry, formula);
    const std::uint16_t *local_rows = blocks.local_rows.data();
    std::int64_t escaped = -1;
    for (std::int64_t p = entry.start; p < entry.end; ++p)
        found(std::size_t(local_rows[p]), values.of(p, escaped));
}

// Add every query term in turn to the scores of a block, whose first row has scores[0].
template <class Column>
void score_block(const Blocks &blocks, std::span<const Entry> entries, const Formula<Column> &formula,
                 double *scores) {
    for (const Entry &entry : entries)
        for_scored(blocks, entry, formula, [scores](std::size_t row, double value) { scores[row] += value; });
}

// The scores of every row; block by block, so that those of a block stay in the cache while all terms pass
// over it.
template <class Column>
void add_bm25(const Blocks &blocks, std::span<const std::uint32_t> lengths, std::span<const Column> columns,
              Float64s table, Int64s term_ids, Float64s weights, double base, double slope,
              std::span<double> scores) {
    const Formula<Column> formula{lengths, columns, table, base, slope};
    Entries entries(term_ids.size());
    for (std::int64_t block = 0; block < blocks.count(); ++block) {
        entries.find(blocks, block, term_ids, weights);
        if (entries.postings() > 0)
            score_block(blocks, entries.all(), formula.of_block(block), scores.data() + block * BLOCK);
    }
}

// The same where the stored frequency is the impact.
void add_impacts(const Blocks &blocks, Int64s term_ids, Float64s weights, std::span<double> scores) {
    Entries entries(term_ids.size());
    for (std::int64_t block = 0; block < blocks.count(); ++block) {
        double *there = scores.data() + block * BLOCK;
        entries.find(blocks, block, term_ids, weights);
        for (const Entry &entry : entries.all()) {
            std::size_t escaped = blocks.overflow_from(entry.start);
            for (std::int64_t p = entry.start; p < entry.end; ++p) {
                std::uint32_t impact = blocks.tfs[p];
                if (impact == ESCAPE)
                    impact = blocks.overflow_values[escaped++];
                there[blocks.local_rows[p]] += entry.weight * double(impact);
            }
        }
    }
}

// The scores of some rows: each is looked for in each term's postings.
void bm25_of_rows(const Blocks &blocks, std::span<const std::uint32_t> lengths, Int64s term_ids,
                  Float64s weights, double base, double slope, Int64s rows, std::span<double> scores) {
    for (std::size_t q = 0; q < term_ids.size(); ++q) {
        std::int64_t block = -1, entry = -1;
        for (std::size_t i = 0; i < rows.size(); ++i) {
            if (rows[i] / BLOCK != block) {
                block = rows[i] / BLOCK;
                entry = blocks.find_entry(block, term_ids[q]);
            }
            if (entry < 0)
                continue;
            const std::uint16_t *first = blocks.local_rows.data() + blocks.entry_starts[entry];
            const std::uint16_t *end = blocks.local_rows.data() + blocks.entry_starts[entry + 1];
            const auto local = std::uint16_t(rows[i] - block * BLOCK);
            const std::uint16_t *place = std::lower_bound(first, end, local);
            if (place < end && *place == local) {
                const std::uint32_t frequency = blocks.frequency(place - blocks.local_rows.data());
                scores[i] += weights[q] * saturation(frequency, lengths[rows[i]], base, slope);
            }
        }
    }
}

// A bit for each row of a block.
class Marks {
  public:
    void set(std::size_t row, bool marked = true) { words_[row / 64] |= std::uint64_t(marked) << (row % 64); }
    bool has(std::size_t row) const { return (words_[row / 64] >> (row % 64)) & 1; }

    // Each marked row of [first, last], rising.
    template <class Found> void each(std::size_t first, std::size_t last, Found found) const {
        for (std::size_t word = first / 64; word <= last / 64; ++word)
            for (std::uint64_t left = words_[word]; left != 0; left &= left - 1)
                found(word * 64 + std::size_t(std::countr_zero(left)));
    }

    void clear(std::size_t first, std::size_t last) {
        std::fill(words_ + first / 64, words_ + last / 64 + 1, 0);
    }

  private:
    std::uint64_t words_[BLOCK / 64]{};
};

// The best rows of queries, one block's scores at a time. `zeros` are a block's, and zeros again after each.
template <class Column> class Best {
  public:
    Best(const Blocks &blocks, const Formula<Column> &formula, std::span<const bool> live,
         std::span<double> zeros, std::size_t most_terms, Candidates &found)
        : blocks_(blocks), formula_(formula), live_(live), scores_(zeros.data()), entries_(most_terms),
          found_(found) {}

    void search(Int64s term_ids, Float64s weights) {
        for (std::int64_t block = 0; block < blocks_.count(); ++block) {
            entries_.find(blocks_, block, term_ids, weights);
            if (entries_.postings() == 0)
                continue;
            found_.tighten();
            const std::int64_t deciding = entries_.decide(found_.threshold());
            if (deciding == 0)
                continue;
            const std::int64_t first_row = block * BLOCK;
            const auto rows = std::size_t(std::min(BLOCK, std::int64_t(formula_.lengths.size()) - first_row));
            const Formula<Column> here = formula_.of_block(block);
            const std::span<const bool> live =
                live_.empty() ? live_ : live_.subspan(std::size_t(first_row), rows);
            if (entries_.all().size() == 1)
                search_one(here, first_row, live);
            else if (deciding * SPARSE < std::int64_t(rows))
                search_few(here, first_row, live, deciding);
            else
                search_many(here, first_row, live, rows);
        }
    }

  private:
    // The rows of a single term come in order, and no sum is needed.
    void search_one(const Formula<Column> &here, std::int64_t first_row, std::span<const bool> live) {
        const auto add = [&](std::size_t row, double score) {
            if (score > found_.threshold() && (live.empty() || live[row]))
                found_.add(score, first_row + std::int64_t(row));
        };
        for_scored(blocks_, entries_.all()[0], here, add);
    }

    // Only rows that have a deciding term are looked at.
    void search_few(const Formula<Column> &here, std::int64_t first_row, std::span<const bool> live,
                    std::int64_t deciding) {
        std::size_t first = BLOCK, last = 0;
        for (const Entry &entry : entries_.all()) {
            if (!entry.decides)
                continue;
            for (std::int64_t p = entry.start; p < entry.end; ++p) {
                const std::size_t row = blocks_.local_rows[p];
                marks_.set(row, live.empty() || live[row]);
            }
            first = std::min(first, std::size_t(blocks_.local_rows[entry.start]));
            last = std::max(last, std::size_t(blocks_.local_rows[entry.end - 1]));
        }
        const auto add = [scores = scores_](std::size_t row, double value) { scores[row] += value; };
        for (const Entry &entry : entries_.all()) {
            if (entry.decides && live.empty())
                for_scored(blocks_, entry, here, add);
            else if (deciding * RARE < entry.postings())
                look_up(here, entry, first, last);
            else
                pass_over(here, entry);
        }
        marks_.each(first, last, [&](std::size_t row) {
            const double score = scores_[row];
            scores_[row] = 0;
            if (score > found_.threshold())
                found_.add(score, first_row + std::int64_t(row));
        });
        marks_.clear(first, last);
    }

    // Add what an entry adds to the marked rows, looking for each of them.
    void look_up(const Formula<Column> &here, const Entry &entry, std::size_t first, std::size_t last) {
        const Values<Column> values(blocks_, entry, here);
        const std::uint16_t *local_rows = blocks_.local_rows.data();
        std::int64_t place = entry.start;
        marks_.each(first, last, [&](std::size_t row) {
            std::int64_t step = 1; // from where the last was found, further and further
            while (place + step < entry.end && local_rows[place + step] < row)
                step *= 2;
            const std::int64_t end = std::min(place + step + 1, entry.end);
            place = std::lower_bound(local_rows + place, local_rows + end, row) - local_rows;
            if (place < entry.end && local_rows[place] == row)
                add_one(values, row, place);
        });
    }

    // The same, asking of each posting whether its row is marked; without a branch on the answer.
    void pass_over(const Formula<Column> &here, const Entry &entry) {
        constexpr std::int64_t together = 64;
        const Values<Column> values(blocks_, entry, here);
        const std::uint16_t *local_rows = blocks_.local_rows.data();
        std::int64_t marked[together];
        for (std::int64_t start = entry.start; start < entry.end; start += together) {
            const std::int64_t end = std::min(start + together, entry.end);
            std::size_t n = 0;
            for (std::int64_t p = start; p < end; ++p) {
                marked[n] = p;
                n += marks_.has(local_rows[p]);
            }
            for (std::size_t i = 0; i < n; ++i)
                add_one(values, local_rows[marked[i]], marked[i]);
        }
    }

    void add_one(const Values<Column> &values, std::size_t row, std::int64_t posting) {
        std::int64_t escaped = -1;
        scores_[row] += values.of(posting, escaped);
    }

    // All rows are looked at, which lie one after the other.
    void search_many(const Formula<Column> &here, std::int64_t first_row, std::span<const bool> live,
                     std::size_t rows) {
        score_block(blocks_, entries_.all(), here, scores_);
        for (std::size_t i = 0; i < live.size(); ++i) // without a branch
            scores_[i] =
                std::bit_cast<double>(std::bit_cast<std::uint64_t>(scores_[i]) & -std::uint64_t(live[i]));
        const std::span<double> maxima{maxima_, chunks_of(rows)};
        find_maxima<double>({scores_, rows}, maxima);
        found_.choose<double>({scores_, rows}, maxima, first_row, {});
        std::fill_n(scores_, rows, 0.0);
    }

    const Blocks &blocks_;
    const Formula<Column> &formula_;
    std::span<const bool> live_;
    double *scores_;
    Entries entries_;
    Candidates &found_;
    Marks marks_;
    double maxima_[chunks_of(BLOCK)];
};

// For each query the k best groups above its floor, by falling score, the first row among equals.
template <class Column>
std::tuple<Owned<double>, Owned<std::int64_t>, Owned<std::int64_t>>
best_bm25(const Blocks &blocks, std::span<const std::uint32_t> lengths, std::span<const Column> columns,
          Float64s table, Int64s term_ids, Float64s weights, Int64s starts, Float64s floors, double base,
          double slope, std::int64_t k, std::span<const std::uint32_t> groups, std::span<const bool> live,
          std::span<double> zeros) {
    struct Row {
        double score;
        std::int64_t number;
    };
    const std::size_t room = std::min(std::size_t(k), lengths.size());
    Owned<double> best_scores(floors.size() * room);
    Owned<std::int64_t> best_rows(best_scores.size), bounds(starts.size());
    const Formula<Column> formula{lengths, columns, table, base, slope};
    Candidates found(k, lengths.size(), groups);
    Best<Column> best(blocks, formula, live, zeros, term_ids.size(), found);
    std::vector<Row> ranked;
    std::size_t n = 0;
    bounds[0] = 0;
    for (std::size_t q = 0; q < floors.size(); ++q) {
        const auto first = std::size_t(starts[q]), terms = std::size_t(starts[q + 1]) - first;
        found.start(floors[q]);
        best.search(term_ids.subspan(first, terms), weights.subspan(first, terms));
        found.sift();
        ranked.clear();
        for (std::size_t i = 0; i < found.rows().size(); ++i)
            ranked.push_back({found.scores()[i], found.rows()[i]});
        std::sort(ranked.begin(), ranked.end(), [](const Row &one, const Row &two) {
            return one.score > two.score || (one.score == two.score && one.number < two.number);
        });
        for (const Row &row : ranked) {
            best_scores[n] = row.score;
            best_rows[n++] = row.number;
        }
        bounds[q + 1] = std::int64_t(n);
    }
    best_scores.size = best_rows.size = n;
    return {std::move(best_scores), std::move(best_rows), std::move(bounds)};
}

} // namespace

void bind_scoring(nb::module_ &m) {
    m.attr("FREQUENCIES") = FREQUENCIES;
    m.attr("LENGTHS") = LENGTHS;
    m.def("add_bm25", &add_bm25<std::uint8_t>, no_gil());
    m.def("add_bm25", &add_bm25<std::uint16_t>, no_gil());
    m.def("add_impacts", &add_impacts, no_gil());
    m.def("bm25_of_rows", &bm25_of_rows, no_gil());
    m.def("best_bm25", &best_bm25<std::uint8_t>, no_gil());
    m.def("best_bm25", &best_bm25<std::uint16_t>, no_gil());
}

} // namespace core
