// Which dimensions win: the largest of every segment of a text's scores.

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

} // namespace

void bind_winners(nb::module_ &m) {
    m.def("take_largest", &take_largest, no_gil());
}

} // namespace core
