// The largest few of numbers that come one after the other.

#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace core {

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

} // namespace core
