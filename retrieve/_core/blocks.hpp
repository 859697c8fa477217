// Blocks of postings as the kernels see them: the seven arrays of `retrieve.index.blocks.Blocks`.
//
// Entry e is one term in one block: its postings are local_rows[entry_starts[e] : entry_starts[e + 1]],
// rising. Block b has the entries block_starts[b] up to block_starts[b + 1], whose block_terms rise.

#pragma once

#include <algorithm>

#include "arrays.hpp"

namespace core {

// Rows in a block: as many as two bytes can number.
constexpr std::int64_t BLOCK = 65'536;

// The stored frequency that sends the reader to the overflow list; 254 is the largest that stands for itself.
constexpr std::uint8_t ESCAPE = 255;

struct Blocks {
    std::span<const std::int64_t> block_starts;
    std::span<const std::uint32_t> block_terms;
    std::span<const std::int64_t> entry_starts;
    std::span<const std::uint16_t> local_rows;
    std::span<const std::uint8_t> tfs;
    std::span<const std::int64_t> overflow_positions;
    std::span<const std::uint32_t> overflow_values;

    std::int64_t count() const { return std::int64_t(block_starts.size()) - 1; }

    // Where the first escaped posting from `posting` on stands in the overflow list.
    std::size_t overflow_from(std::int64_t posting) const {
        const auto place = std::lower_bound(overflow_positions.begin(), overflow_positions.end(), posting);
        return std::size_t(place - overflow_positions.begin());
    }

    // The term frequency of a posting, escaped or not.
    std::uint32_t frequency(std::int64_t posting) const {
        return tfs[posting] < ESCAPE ? tfs[posting] : overflow_values[overflow_from(posting)];
    }

    // The entry of a term in a block, or -1.
    std::int64_t find_entry(std::int64_t block, std::int64_t term) const {
        std::int64_t low = block_starts[block], left = block_starts[block + 1] - low;
        if (left == 0)
            return -1;
        while (left > 1) { // without a branch that cannot be foretold
            const std::int64_t half = left >> 1;
            low += std::int64_t(block_terms[low + half - 1]) < term ? half : 0;
            left -= half;
        }
        return std::int64_t(block_terms[low]) == term ? low : -1;
    }
};

} // namespace core

namespace nanobind::detail {

template <> struct type_caster<core::Blocks> {
    NB_TYPE_CASTER(core::Blocks, const_name("retrieve.index.blocks.Blocks"))
    core::Borrowed<const std::int64_t> block_starts, entry_starts, overflow_positions;
    core::Borrowed<const std::uint32_t> block_terms, overflow_values;
    core::Borrowed<const std::uint16_t> local_rows;
    core::Borrowed<const std::uint8_t> tfs;

    bool from_python(handle source, uint8_t, cleanup_list *) noexcept {
        PyObject *tuple = source.ptr();
        if (!PyTuple_Check(tuple) || PyTuple_GET_SIZE(tuple) != 7)
            return false;
        const auto take = [tuple](Py_ssize_t place, auto &held, auto &span) {
            if (!held.take(PyTuple_GET_ITEM(tuple, place), 1))
                return false;
            span = {held.data(), held.length(0)};
            return true;
        };
        return take(0, block_starts, value.block_starts) && take(1, block_terms, value.block_terms) &&
               take(2, entry_starts, value.entry_starts) && take(3, local_rows, value.local_rows) &&
               take(4, tfs, value.tfs) && take(5, overflow_positions, value.overflow_positions) &&
               take(6, overflow_values, value.overflow_values);
    }
};

} // namespace nanobind::detail
