// Binary codes: rows of winners checked, turned into blocks of lists and bitmaps, and back.
//
// Row i has the winners dims[starts[i] : starts[i + 1]]. An entry of a block is a dimension with its rows,
// counted from the block's first: a list of `size` rows from lists[place] on, or, for a size below 0, a
// bitmap from bitmaps[place].

#include <algorithm>
#include <cstdlib>

#include "arrays.hpp"
#include "module.hpp"

namespace core {
namespace {

using Starts = std::span<const std::int64_t>;
using Dims = std::span<const std::uint32_t>;
using Sizes = std::span<const std::int32_t>;
using Places = std::span<const std::int64_t>;
using Lists = std::span<const std::uint16_t>;
using Bitmaps = std::span<const std::uint64_t>;

// The first row whose winners do not rise strictly or pass the last dimension, or -1.
std::int64_t first_wrong(Starts starts, Dims dims, std::uint64_t dimensions) {
    for (std::size_t row = 0; row + 1 < starts.size(); ++row) {
        const std::int64_t end = starts[row + 1];
        for (std::int64_t i = starts[row]; i < end; ++i)
            if (dims[i] >= dimensions || (i + 1 < end && dims[i + 1] <= dims[i]))
                return std::int64_t(row);
    }
    return -1;
}

// Winners row by row → rows entry by entry; `cursors` holds where each entry's next row goes and is moved on.
void sort_rows(Starts starts, Dims entries, std::size_t first, std::span<std::int64_t> cursors,
               std::span<std::uint16_t> sorted_rows) {
    for (std::size_t row = 0; row + 1 < starts.size(); ++row) {
        const std::int64_t end = starts[row + 1];
#pragma GCC unroll 4
        for (std::int64_t i = starts[row]; i < end; ++i)
            sorted_rows[cursors[entries[i]]++] = std::uint16_t(first + row);
    }
}

// Each entry's rows to where they are stored; `bitmaps` must be 0 everywhere.
void place_rows(Sizes sizes, Places places, Lists sorted_rows, std::span<std::uint16_t> lists,
                std::span<std::uint64_t> bitmaps) {
    const std::uint16_t *rows = sorted_rows.data();
    for (std::size_t entry = 0; entry < sizes.size(); ++entry) {
        const std::int64_t size = std::abs(std::int64_t(sizes[entry]));
        if (sizes[entry] > 0) {
            std::copy_n(rows, size, lists.begin() + places[entry]);
        } else {
            std::uint64_t *const bitmap = bitmaps.data() + places[entry];
            for (std::int64_t i = 0; i < size; ++i)
                bitmap[rows[i] >> 6] |= std::uint64_t(1) << (rows[i] & 63);
        }
        rows += size;
    }
}

// Calls take(row) for each row of an entry, rising.
template <class Take>
void read_entry(std::int32_t size, std::int64_t place, Lists lists, Bitmaps bitmaps, std::size_t words,
                Take take) {
    if (size > 0) {
        for (const std::uint16_t row : lists.subspan(std::size_t(place), std::size_t(size)))
            take(std::size_t(row));
        return;
    }
    for (std::size_t i = 0; i < words; ++i)
        for (std::uint64_t word = bitmaps[std::size_t(place) + i]; word != 0; word &= word - 1)
            take(64 * i + std::size_t(std::countr_zero(word)));
}

// counts[row] += 1 for each dimension that a row of the block has.
void count_winners(Sizes sizes, Places places, Lists lists, Bitmaps bitmaps, std::size_t words,
                   std::span<std::int64_t> counts) {
    for (std::size_t entry = 0; entry < sizes.size(); ++entry)
        read_entry(sizes[entry], places[entry], lists, bitmaps, words,
                   [&](std::size_t row) { ++counts[row]; });
}

// Write the block's dimensions to their rows: new_rows[row] is the row's number among `cursors`, or outside
// it. `cursors` holds where each new row's next winner goes and is moved on.
void unpack_winners(Dims dims, Sizes sizes, Places places, Lists lists, Bitmaps bitmaps, std::size_t words,
                    std::span<const std::int64_t> new_rows, std::span<std::int64_t> cursors,
                    std::span<std::uint32_t> winners) {
    for (std::size_t entry = 0; entry < sizes.size(); ++entry) {
        read_entry(sizes[entry], places[entry], lists, bitmaps, words, [&](std::size_t row) {
            const auto new_row = std::size_t(new_rows[row]); // what is below 0 is far beyond the last
            if (new_row < cursors.size())
                winners[cursors[new_row]++] = dims[entry];
        });
    }
}

} // namespace

void bind_codes(nb::module_ &m) {
    m.def("first_wrong", &first_wrong, no_gil());
    m.def("sort_rows", &sort_rows, no_gil());
    m.def("place_rows", &place_rows, no_gil());
    m.def("count_winners", &count_winners, no_gil());
    m.def("unpack_winners", &unpack_winners, no_gil());
}

} // namespace core
