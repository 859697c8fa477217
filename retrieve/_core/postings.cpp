// Postings in the making and taken apart: rows of terms become blocks, and blocks rows again.
//
// Every pass is linear. A block's rows are written out as (term, frequency) pairs first and a counting sort
// by term follows; building and merging meet in that one form, which makes them agree to the byte.

#include "blocks.hpp"
#include "module.hpp"

namespace core {
namespace {

using Int64s = std::span<const std::int64_t>;
using UInt32s = std::span<const std::uint32_t>;

// Occurrences row by row become distinct pairs row by row. A slot from an earlier row lies before the current
// row's first pair, which is how it is told apart.
std::int64_t count_rows(UInt32s term_ids, Int64s starts, std::span<std::int64_t> slots,
                        std::span<std::int64_t> pair_starts, std::span<std::uint32_t> terms,
                        std::span<std::uint32_t> frequencies) {
    std::int64_t n = 0;
    const std::size_t rows = starts.size() - 1;
    for (std::size_t row = 0; row < rows; ++row) {
        const std::int64_t first = n;
        pair_starts[row] = first;
        for (std::int64_t i = starts[row]; i < starts[row + 1]; ++i) {
            std::int64_t &slot = slots[term_ids[i]];
            if (slot >= first) {
                ++frequencies[slot];
            } else {
                slot = n;
                terms[n] = term_ids[i];
                frequencies[n] = 1;
                ++n;
            }
        }
    }
    pair_starts[rows] = n;
    return n;
}

// The place of a term that its row had already, or -1.
std::int64_t find_repeated(UInt32s term_ids, Int64s starts, std::span<std::int64_t> seen) {
    for (std::size_t row = 0; row + 1 < starts.size(); ++row) {
        for (std::int64_t i = starts[row]; i < starts[row + 1]; ++i) {
            if (seen[term_ids[i]] == std::int64_t(row))
                return i;
            seen[term_ids[i]] = std::int64_t(row);
        }
    }
    return -1;
}

// counts[number] += 1 for each: of terms as of dimensions.
void count_each(UInt32s numbers, std::span<std::int64_t> counts) {
#pragma GCC unroll 8
    for (std::size_t i = 0; i < numbers.size(); ++i)
        ++counts[numbers[i]];
}

// Pairs row by row become postings term by term; the overflow comes out in the order of the rows.
void pack_pairs(Int64s pair_starts, UInt32s terms, UInt32s frequencies, std::span<std::int64_t> cursors,
                std::span<std::uint16_t> local_rows, std::span<std::uint8_t> tfs,
                std::span<std::int64_t> overflow_positions, std::span<std::uint32_t> overflow_values) {
    std::size_t escaped = 0;
    for (std::size_t row = 0; row + 1 < pair_starts.size(); ++row) {
        for (std::int64_t i = pair_starts[row]; i < pair_starts[row + 1]; ++i) {
            const std::int64_t posting = cursors[terms[i]]++;
            local_rows[posting] = std::uint16_t(row);
            if (frequencies[i] < ESCAPE) {
                tfs[posting] = std::uint8_t(frequencies[i]);
            } else {
                tfs[posting] = ESCAPE;
                overflow_positions[escaped] = posting;
                overflow_values[escaped] = frequencies[i];
                ++escaped;
            }
        }
    }
}

// The first place from `from` on that is not below `wanted`.
template <class T> std::size_t place_of(std::span<const T> rising, std::size_t from, std::int64_t wanted) {
    const auto below = [](T one, std::int64_t other) { return std::int64_t(one) < other; };
    return std::size_t(std::lower_bound(rising.begin() + from, rising.end(), wanted, below) - rising.begin());
}

// Each number that two rising lists share: found(place in the shorter, place in the longer), rising.
template <class A, class B, class Found>
void for_shared(std::span<const A> shorter, std::span<const B> longer, Found found) {
    std::size_t place = 0;
    for (std::size_t i = 0; i < shorter.size(); ++i) {
        place = place_of(longer, place, std::int64_t(shorter[i]));
        if (place == longer.size())
            return;
        if (std::int64_t(longer[place]) == std::int64_t(shorter[i]))
            found(i, place);
    }
}

// The postings of some rows of a block, term by term; of each entry the shorter side is gone through.
std::int64_t terms_in_block(const Blocks &blocks, std::int64_t block, Int64s rows,
                            std::span<std::uint32_t> owners, std::span<std::uint32_t> terms,
                            std::span<std::uint32_t> frequencies) {
    std::int64_t n = 0;
    for (std::int64_t entry = blocks.block_starts[block]; entry < blocks.block_starts[block + 1]; ++entry) {
        const std::int64_t start = blocks.entry_starts[entry], end = blocks.entry_starts[entry + 1];
        const auto local = blocks.local_rows.subspan(std::size_t(start), std::size_t(end - start));
        const auto take = [&](std::size_t row, std::size_t posting) {
            owners[n] = std::uint32_t(row);
            terms[n] = blocks.block_terms[entry];
            frequencies[n] = blocks.frequency(start + std::int64_t(posting));
            ++n;
        };
        if (rows.size() < local.size())
            for_shared(rows, local, take);
        else
            for_shared(local, rows, [&](std::size_t posting, std::size_t row) { take(row, posting); });
    }
    return n;
}

// counts[new row] grows by one for each posting whose row is kept.
void count_kept(const Blocks &blocks, Int64s new_rows, std::span<std::int64_t> counts) {
    for (std::int64_t block = 0; block < blocks.count(); ++block) {
        const std::int64_t *there = new_rows.data() + block * BLOCK;
        const std::int64_t first = blocks.entry_starts[blocks.block_starts[block]];
        const std::int64_t end = blocks.entry_starts[blocks.block_starts[block + 1]];
        for (std::int64_t posting = first; posting < end; ++posting) {
            const std::int64_t new_row = there[blocks.local_rows[posting]];
            if (new_row >= 0)
                ++counts[new_row];
        }
    }
}

// One old block's postings go as pairs into the new block of rows [target, target + cursors).
void unpack_block(const Blocks &blocks, std::int64_t block, Int64s new_terms, Int64s new_rows,
                  std::int64_t target, std::span<std::int64_t> cursors, std::span<std::uint32_t> terms,
                  std::span<std::uint32_t> frequencies) {
    const std::int64_t *there = new_rows.data() + block * BLOCK;
    const std::int64_t rows = std::int64_t(cursors.size());
    for (std::int64_t entry = blocks.block_starts[block]; entry < blocks.block_starts[block + 1]; ++entry) {
        const auto term = std::uint32_t(new_terms[blocks.block_terms[entry]]);
        for (std::int64_t p = blocks.entry_starts[entry]; p < blocks.entry_starts[entry + 1]; ++p) {
            const std::int64_t row = there[blocks.local_rows[p]] - target;
            if (0 <= row && row < rows) {
                const std::int64_t place = cursors[row]++;
                terms[place] = term;
                frequencies[place] = blocks.frequency(p);
            }
        }
    }
}

// counts[term] grows by one for each posting of a marked row; blocks without one are not read.
void count_marked(const Blocks &blocks, std::span<const bool> marked, std::span<std::int64_t> counts) {
    for (std::int64_t block = 0; block < blocks.count(); ++block) {
        const std::size_t first = std::size_t(block * BLOCK);
        const auto here = marked.subspan(first, std::min(std::size_t(BLOCK), marked.size() - first));
        if (std::find(here.begin(), here.end(), true) == here.end())
            continue;
        for (std::int64_t entry = blocks.block_starts[block]; entry < blocks.block_starts[block + 1];
             ++entry) {
            std::int64_t count = 0;
            for (std::int64_t p = blocks.entry_starts[entry]; p < blocks.entry_starts[entry + 1]; ++p)
                count += here[blocks.local_rows[p]];
            counts[blocks.block_terms[entry]] += count;
        }
    }
}

} // namespace

void bind_postings(nb::module_ &m) {
    m.attr("BLOCK") = BLOCK;
    m.attr("ESCAPE") = int(ESCAPE);
    m.def("count_rows", &count_rows, no_gil());
    m.def("find_repeated", &find_repeated, no_gil());
    m.def("count_each", &count_each, no_gil());
    m.def("pack_pairs", &pack_pairs, no_gil());
    m.def("terms_in_block", &terms_in_block, no_gil());
    m.def("count_kept", &count_kept, no_gil());
    m.def("unpack_block", &unpack_block, no_gil());
    m.def("count_marked", &count_marked, no_gil());
}

} // namespace core
