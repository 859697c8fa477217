// Rankings of several queries merged two by two: what one part of an index found, and what the next one adds.
//
// How high the k-th best stands after one part is a floor for the next, which has less to collect and to sort
// then.

#include <algorithm>
#include <cmath>
#include <limits>

#include "arrays.hpp"
#include "module.hpp"

namespace core {
namespace {

using Int64s = std::span<const std::int64_t>;
using Float64s = std::span<const double>;

// Two rankings of each query become their k best, and all that equal the last of these; of equal scores those
// of the first ranking come first.
std::tuple<Owned<std::int64_t>, Owned<double>, Owned<std::int64_t>>
merge_ranked(std::int64_t k, Int64s keys, Float64s scores, Int64s bounds, Int64s more_keys,
             Float64s more_scores, Int64s more_bounds, std::span<double> floors) {
    Owned<std::int64_t> merged_keys(keys.size() + more_keys.size()), merged_bounds(bounds.size());
    Owned<double> merged_scores(merged_keys.size);
    std::int64_t n = 0;
    merged_bounds[0] = 0;
    for (std::size_t q = 0; q + 1 < bounds.size(); ++q) {
        std::int64_t i = bounds[q], j = more_bounds[q];
        const std::int64_t end = bounds[q + 1], more_end = more_bounds[q + 1], start = n;
        while (i < end || j < more_end) {
            const bool first = j == more_end || (i < end && scores[i] >= more_scores[j]);
            const double score = first ? scores[i] : more_scores[j];
            if (n - start >= k && score < merged_scores[start + k - 1])
                break;
            merged_scores[n] = score;
            merged_keys[n++] = first ? keys[i++] : more_keys[j++];
        }
        if (n - start >= k) {
            const double last = merged_scores[start + k - 1];
            floors[q] = std::max(floors[q], std::nextafter(last, -std::numeric_limits<double>::infinity()));
        }
        merged_bounds[q + 1] = n;
    }
    merged_keys.size = merged_scores.size = std::size_t(n);
    return {std::move(merged_keys), std::move(merged_scores), std::move(merged_bounds)};
}

} // namespace

void bind_rankings(nb::module_ &m) { m.def("merge_ranked", &merge_ranked, no_gil()); }

} // namespace core
