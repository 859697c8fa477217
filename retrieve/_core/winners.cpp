// Which dimensions win: the largest of every segment of a text's scores, and the votes of its tokens.

#include <algorithm>
#include <vector>

#include "arrays.hpp"
#include "module.hpp"

namespace core {
namespace {

// dims[row]: the `each` largest of every segment of scores[row], dimensions rising, ties to the lower one.
void take_largest(Matrix<const float> scores, std::size_t segments, std::size_t each,
                  Matrix<std::uint32_t> dims) {
    const std::size_t size = scores.columns / segments;
    std::vector<float> values(size);
    for (std::size_t row = 0; row < scores.rows; ++row) {
        std::uint32_t *found = dims[row];
        for (std::size_t segment = 0; segment < segments; ++segment) {
            const float *const part = scores[row] + segment * size;
            std::copy_n(part, size, values.begin());
            std::nth_element(values.begin(), values.end() - std::ptrdiff_t(each), values.end());
            const float least = values[size - each];
            std::size_t above = 0;
            for (std::size_t i = 0; i < size; ++i)
                above += part[i] > least;
            std::size_t ties = each - above;
            for (std::size_t i = 0; i < size; ++i) {
                if (part[i] > least || (part[i] == least && ties > 0)) {
                    ties -= part[i] == least;
                    *found++ = std::uint32_t(segment * size + i);
                }
            }
        }
    }
}

constexpr std::size_t CHUNK = 64; // dimensions that are passed over together where none is large enough

// Whether one of some numbers is above a bound.
bool passes(const float *part, std::size_t count, float bound) {
    int above = 0;
    for (std::size_t i = 0; i < count; ++i)
        above |= part[i] > bound;
    return above != 0;
}

// The best values so far, largest first, equal ones by place; the last falls out of a full list.
struct Best {
    std::vector<float> values;
    std::vector<std::size_t> places;
    std::size_t kept = 0;

    explicit Best(std::size_t wanted) : values(wanted), places(wanted) {}
    bool takes(float value) const { return kept < values.size() || value > values.back(); }

    void insert(float value, std::size_t at) {
        std::size_t slot = std::min(kept, values.size() - 1);
        for (; slot > 0 && values[slot - 1] < value; --slot) {
            values[slot] = values[slot - 1];
            places[slot] = places[slot - 1];
        }
        values[slot] = value;
        places[slot] = at;
        kept = std::min(kept + 1, values.size());
    }
};

// Add for each token of z (T,n), all finite, its winners to `votes`, and raise `values` to their z.
void count_votes(Matrix<const float> z, std::size_t winners, std::size_t segments,
                 std::span<std::int64_t> votes, std::span<float> values) {
    const std::size_t width = z.columns / segments;
    Best best(winners);
    for (std::size_t token = 0; token < z.rows; ++token) {
        for (std::size_t first = 0; first < z.columns; first += width) {
            const float *const row = z[token] + first;
            best.kept = 0;
            for (std::size_t start = 0; start < width; start += CHUNK) {
                const std::size_t count = std::min(CHUNK, width - start);
                if (best.kept == winners && !passes(row + start, count, best.values.back()))
                    continue;
                for (std::size_t i = start; i < start + count; ++i)
                    if (best.takes(row[i]))
                        best.insert(row[i], i);
            }
            for (std::size_t i = 0; i < winners; ++i) {
                const std::size_t dimension = first + best.places[i];
                ++votes[dimension];
                values[dimension] = std::max(values[dimension], best.values[i]);
            }
        }
    }
}

} // namespace

void bind_winners(nb::module_ &m) {
    m.def("take_largest", &take_largest, no_gil());
    m.def("count_votes", &count_votes, no_gil());
}

} // namespace core
