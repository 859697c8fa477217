// Counting by bit planes: plane p holds bit p of every row's count, 64 rows to a word.
//
// A query adds its dimensions' bitmaps with carry-save adders, so that one instruction counts for as many
// rows as a register has bits; the best rows come off the planes from the highest down, without a heap and
// without a sort.

#include <algorithm>
#include <cstring>
#include <functional>
#include <numeric>
#include <vector>

#include "arrays.hpp"
#include "bits.hpp"
#include "module.hpp"
#include "registers.hpp"

namespace core {
namespace {

// Words that bitmaps and planes are a multiple of: what the widest register holds, and a line of the cache.
constexpr std::size_t UNIT = 8;

// Bitmaps that are added at a time, and the planes that such a group is summed into before a carry leaves it.
constexpr std::size_t GROUP = 16;
constexpr int LEAST_PLANES = 4;

// Words that one register holds.
constexpr std::size_t WIDTH = REGISTER_BYTES / sizeof(std::uint64_t);

typedef std::uint64_t Lanes __attribute__((vector_size(REGISTER_BYTES)));

// Registers that are worked on side by side, so that the address of a bitmap is read once for all of them.
constexpr std::size_t SIDE = std::min<std::size_t>(UNIT / WIDTH, 2);

// So many words of a plane or of a bitmap.
struct Row {
    Lanes side[SIDE];
};

[[gnu::always_inline]] inline Row load(const std::uint64_t *from) {
    Row row;
#pragma GCC unroll 2
    for (std::size_t i = 0; i < SIDE; ++i)
        std::memcpy(&row.side[i], from + i * WIDTH, sizeof row.side[i]);
    return row;
}

[[gnu::always_inline]] inline void store(std::uint64_t *to, const Row &row) {
#pragma GCC unroll 2
    for (std::size_t i = 0; i < SIDE; ++i)
        std::memcpy(to + i * WIDTH, &row.side[i], sizeof row.side[i]);
}

// Bit by bit, the sum of three, which stays in `held`, and their carry.
[[gnu::always_inline]] inline Row add_three(Row &held, const Row &one, const Row &two) {
    Row carry;
#pragma GCC unroll 2
    for (std::size_t i = 0; i < SIDE; ++i) {
        Lanes &sum = held.side[i];
        const Lanes a = one.side[i], b = two.side[i];
#if defined(__AVX512F__)
        carry.side[i] = (Lanes)_mm512_ternarylogic_epi64((__m512i)sum, (__m512i)a, (__m512i)b, 0xe8);
        sum = (Lanes)_mm512_ternarylogic_epi64((__m512i)sum, (__m512i)a, (__m512i)b, 0x96);
#else
        const Lanes half = a ^ b; // where they differ the sum decides, where not either of them
        carry.side[i] = a ^ (half & (a ^ sum));
        sum ^= half;
#endif
    }
    return carry;
}

// Add 2 << LEVEL bitmaps to the planes held, halving those of one weight until one carry is left
// (Harley–Seal). Behind their addresses lie those of the next group's bitmaps, which are fetched ahead.
template <int LEVEL>
[[gnu::always_inline]] inline Row add(const std::uint64_t *const *bitmaps, std::size_t word,
                                      Row (&held)[LEAST_PLANES]) {
    if constexpr (LEVEL == 0) {
        __builtin_prefetch(bitmaps[GROUP] + word);
        __builtin_prefetch(bitmaps[GROUP + 1] + word);
        return add_three(held[0], load(bitmaps[0] + word), load(bitmaps[1] + word));
    } else {
        const Row one = add<LEVEL - 1>(bitmaps, word, held);
        const Row two = add<LEVEL - 1>(bitmaps + (1 << LEVEL), word, held);
        return add_three(held[LEVEL], one, two);
    }
}

// Add a group's bitmaps to the counts. A carry may reach `height` planes, which lie `stride` words apart.
[[gnu::noinline]] void add_group(const std::uint64_t *const (&bitmaps)[2 * GROUP], std::uint64_t *planes,
                                 std::size_t stride, std::size_t words, int height) {
    for (std::size_t word = 0; word < words; word += SIDE * WIDTH) {
        Row held[LEAST_PLANES];
        for (int level = 0; level < LEAST_PLANES; ++level)
            held[level] = load(planes + std::size_t(level) * stride + word);
        Row carry = add<LEAST_PLANES - 1>(bitmaps, word, held);
        for (int level = 0; level < LEAST_PLANES; ++level)
            store(planes + std::size_t(level) * stride + word, held[level]);
        for (int level = LEAST_PLANES; level < height; ++level) {
            std::uint64_t *const place = planes + std::size_t(level) * stride + word;
            Row plane = load(place), moved;
            for (std::size_t i = 0; i < SIDE; ++i) {
                moved.side[i] = plane.side[i] & carry.side[i];
                plane.side[i] ^= carry.side[i];
            }
            store(place, plane);
            carry = moved;
        }
    }
}

// A list as a bitmap, byte by byte: two rows rarely meet in one, where the second waits for the first.
void expand_list(std::span<const std::uint16_t> rows, std::uint64_t *bitmap, std::size_t words) {
    std::fill_n(bitmap, words, 0);
    auto *const bytes = reinterpret_cast<std::uint8_t *>(bitmap);
#pragma GCC unroll 8
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const std::size_t row = rows[i];
        bytes[row >> 3] |= std::uint8_t(1u << (row & 7));
    }
}

// The entries of a block that a query has, both rising → `found`, of which the first so many are filled. An
// entry is not far before its dimension where few dimensions are missing; where none is, it is its dimension.
std::int64_t find_entries(std::span<const std::uint32_t> dims, std::int64_t dimensions,
                          std::span<const std::uint32_t> query, std::span<std::int64_t> found) {
    const std::int64_t entries = std::int64_t(dims.size()), missing = dimensions - entries;
    std::int64_t low = 0;
    std::size_t n = 0;
    for (const std::uint32_t dim : query) {
        low = std::max(low, std::int64_t(dim) - missing);
        std::int64_t high = std::min(std::int64_t(dim) + 1, entries);
        while (low < high) {
            const std::int64_t middle = (low + high) >> 1;
            if (dims[std::size_t(middle)] < dim)
                low = middle + 1;
            else
                high = middle;
        }
        if (low < entries && dims[std::size_t(low)] == dim)
            found[n++] = low;
    }
    return std::int64_t(n);
}

// Entries of one query, and the planes that their carry may reach.
struct Group {
    std::span<const std::int64_t> entries;
    std::size_t query;
    int height;
};

// Count what a block's rows share with each query q into planes[q, :, first : first + words], which are 0.
// The groups of all queries are worked off by dimension, so that a bitmap which several have is read while it
// is in the cache.
void count_block(std::span<const std::uint32_t> dims, std::span<const std::int32_t> sizes,
                 std::span<const std::int64_t> places, std::span<const std::uint16_t> lists,
                 std::span<const std::uint64_t> bitmaps, std::int64_t dimensions,
                 std::span<const std::int64_t> starts, std::span<const std::uint32_t> winners,
                 Cube<std::uint64_t> planes, std::size_t first, std::size_t words) {
    Owned<std::int64_t> entries(winners.size());
    std::vector<Group> groups;
    groups.reserve(winners.size() / GROUP + starts.size());
    std::span<std::int64_t> rest = entries;
    for (std::size_t query = 0; query + 1 < starts.size(); ++query) {
        const auto asked =
            winners.subspan(std::size_t(starts[query]), std::size_t(starts[query + 1] - starts[query]));
        const auto found = rest.first(std::size_t(find_entries(dims, dimensions, asked, rest)));
        int height = LEAST_PLANES;
        for (std::size_t start = 0; start < found.size(); start += GROUP) {
            const std::size_t end = std::min(start + GROUP, found.size());
            while ((end >> height) > 0)
                ++height;
            groups.push_back({found.subspan(start, end - start), query, height});
        }
        rest = rest.subspan(found.size());
    }
    std::stable_sort(groups.begin(), groups.end(),
                     [](const Group &one, const Group &two) { return one.entries[0] < two.entries[0]; });
    // Lists are written out as bitmaps; behind them is one of nothing.
    Owned<std::uint64_t> scratch(words * (GROUP + 1));
    std::uint64_t *const nothing = scratch.data.get() + words * GROUP;
    std::fill_n(nothing, words, 0);
    for (std::size_t i = 0; i < groups.size(); ++i) {
        const Group &group = groups[i], &after = groups[std::min(i + 1, groups.size() - 1)];
        const std::uint64_t *sources[2 * GROUP];
        std::fill_n(sources, 2 * GROUP, nothing);
        for (std::size_t j = 0; j < group.entries.size(); ++j) {
            const auto entry = std::size_t(group.entries[j]), place = std::size_t(places[entry]);
            if (sizes[entry] < 0) {
                sources[j] = bitmaps.data() + place;
            } else {
                std::uint64_t *const expanded = scratch.data.get() + j * words;
                expand_list(lists.subspan(place, std::size_t(sizes[entry])), expanded, words);
                sources[j] = expanded;
            }
        }
        for (std::size_t j = 0; j < after.entries.size(); ++j) {
            const auto entry = std::size_t(after.entries[j]);
            if (sizes[entry] < 0)
                sources[GROUP + j] = bitmaps.data() + std::size_t(places[entry]);
        }
        add_group(sources, planes[group.query][0] + first, planes.columns, words, group.height);
    }
}

// Counts of some rows.
Owned<std::int64_t> counts_at(Matrix<const std::uint64_t> planes, std::span<const std::int64_t> rows) {
    Owned<std::int64_t> counts(rows.size(), 0);
    for (std::size_t plane = 0; plane < planes.rows; ++plane) {
        const std::uint64_t *const words = planes[plane];
        for (std::size_t i = 0; i < rows.size(); ++i)
            counts[i] |= std::int64_t((words[rows[i] >> 6] >> (rows[i] & 63)) & 1) << plane;
    }
    return counts;
}

using Ranked = std::pair<Owned<std::int64_t>, Owned<std::int64_t>>;

// Rows and counts by falling count, equal ones in the order given: a counting sort, as counts are small.
Ranked by_count(Matrix<const std::uint64_t> planes, std::span<const std::int64_t> rows) {
    const Owned<std::int64_t> counts = counts_at(planes, rows);
    std::int64_t highest = 0;
    for (std::size_t i = 0; i < rows.size(); ++i)
        highest = std::max(highest, counts[i]);
    Owned<std::size_t> cursors(std::size_t(highest) + 2, 0);
    for (std::size_t i = 0; i < rows.size(); ++i)
        ++cursors[std::size_t(highest - counts[i] + 1)];
    std::partial_sum(cursors.begin(), cursors.end(), cursors.begin());
    Ranked sorted(rows.size(), rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const std::size_t place = cursors[std::size_t(highest - counts[i])]++;
        sorted.first[place] = rows[i];
        sorted.second[place] = counts[i];
    }
    return sorted;
}

// The first `most` rows of a bitmap, rising, behind n rows that are there; returns how many there are then.
std::size_t append_rows(std::span<const std::uint64_t> bitmap, std::size_t most, Owned<std::int64_t> &rows,
                        std::size_t n) {
    const std::size_t end = n + most;
    for (std::size_t word = 0; word < bitmap.size() && n < end; ++word)
        for (std::uint64_t left = bitmap[word]; left != 0 && n < end; left &= left - 1)
            rows[n++] = std::int64_t(64 * word) + std::countr_zero(left);
    return n;
}

// Rows and counts of the k best rows with a count above 0, by (−count, row); empty `live`: all may be found.
//
// From the highest plane down: where k candidates or more have its bit, those without it are out; where fewer
// have it, those that do are in, and the others stand for the places left. What remains has one count: the
// first rows win.
Ranked best_rows(Matrix<const std::uint64_t> planes, std::span<const std::uint64_t> live, std::size_t k) {
    const std::size_t words = planes.columns;
    Owned<std::uint64_t> candidates(words, 0), chosen(words, 0);
    for (std::size_t plane = 0; plane < planes.rows; ++plane)
        for (std::size_t word = 0; word < words; ++word)
            candidates[word] |= planes[plane][word];
    if (!live.empty())
        for (std::size_t word = 0; word < words; ++word)
            candidates[word] &= live[word];
    std::size_t room = k;
    for (std::size_t plane = planes.rows; plane-- > 0;) {
        const std::uint64_t *const bits = planes[plane];
        const std::size_t having = count_many(candidates.begin(), bits, words, std::bit_and());
        if (having >= room) {
            for (std::size_t word = 0; word < words; ++word)
                candidates[word] &= bits[word];
        } else {
            for (std::size_t word = 0; word < words; ++word) {
                chosen[word] |= candidates[word] & bits[word];
                candidates[word] &= ~bits[word];
            }
            room -= having;
        }
    }
    Owned<std::int64_t> rows(std::min(k, 64 * words));
    const std::size_t taken = append_rows(chosen, rows.size, rows, 0);
    rows.size = append_rows(candidates, std::min(room, rows.size - taken), rows, taken);
    return by_count(planes, rows);
}

} // namespace

void bind_planes(nb::module_ &m) {
    m.attr("UNIT") = UNIT;
    m.attr("LEAST_PLANES") = LEAST_PLANES;
    m.def("find_entries", &find_entries, no_gil());
    m.def("count_block", &count_block, no_gil());
    m.def("counts_at", &counts_at, no_gil());
    m.def("best_rows", &best_rows, no_gil());
}

} // namespace core
