// Hamming distances of sign bits, and the nearest rows by counting: distances are small integers.

#include <functional>

#include "arrays.hpp"
#include "bits.hpp"
#include "module.hpp"

namespace core {
namespace {

// distances[row]: how many bits of a row differ from the query's.
void count_differing(Matrix<const std::uint64_t> bits, std::span<const std::uint64_t> query,
                     std::span<std::uint32_t> distances) {
    const std::size_t words = query.size();
    if (words < 8)
        for (std::size_t row = 0; row < bits.rows; ++row)
            distances[row] = std::uint32_t(count_few(bits[row], query.data(), words, std::bit_xor()));
    else
        for (std::size_t row = 0; row < bits.rows; ++row)
            distances[row] = std::uint32_t(count_many(bits[row], query.data(), words, std::bit_xor()));
}

// The `count` rows of least distance among the live ones (empty: all), ties by row; in row order.
Owned<std::int64_t> least_distant(std::span<const std::uint32_t> distances, std::span<const bool> live,
                                  std::int64_t count, std::size_t farthest) {
    Owned<std::int64_t> at_distance(farthest + 1, 0);
    for (std::size_t row = 0; row < distances.size(); ++row)
        if (live.empty() || live[row])
            ++at_distance[distances[row]];
    std::int64_t nearer = 0; // rows nearer than `limit`, all of which are taken
    std::size_t limit = 0;
    while (limit <= farthest && nearer + at_distance[limit] <= count)
        nearer += at_distance[limit++];
    std::int64_t room = limit <= farthest ? count - nearer : 0; // for the first rows at `limit` itself
    Owned<std::int64_t> rows(std::size_t(nearer + room));
    std::size_t found = 0;
    for (std::size_t row = 0; found < rows.size; ++row) {
        if (!live.empty() && !live[row])
            continue;
        if (distances[row] < limit) {
            rows[found++] = std::int64_t(row);
        } else if (distances[row] == limit && room > 0) {
            rows[found++] = std::int64_t(row);
            --room;
        }
    }
    return rows;
}

} // namespace

void bind_signs(nb::module_ &m) {
    m.def("count_differing", &count_differing, no_gil());
    m.def("least_distant", &least_distant, no_gil());
}

} // namespace core
