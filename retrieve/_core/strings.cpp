// Sorted tables of strings: searched and merged. String i of a table is data[offsets[i] : offsets[i + 1]].

#include <algorithm>
#include <cstring>

#include "arrays.hpp"
#include "module.hpp"

namespace core {
namespace {

using Bytes = std::span<const std::uint8_t>;
using Offsets = std::span<const std::int64_t>;

Bytes string_at(Bytes data, Offsets offsets, std::int64_t row) {
    return data.subspan(std::size_t(offsets[row]), std::size_t(offsets[row + 1] - offsets[row]));
}

// Negative, zero or positive, as one sorts before, equals or sorts after two.
int compare(Bytes one, Bytes two) {
    const int order = std::memcmp(one.data(), two.data(), std::min(one.size(), two.size()));
    return order != 0 ? order : (one.size() > two.size()) - (one.size() < two.size());
}

// For each wanted string its row, or -1.
void find_strings(Bytes data, Offsets offsets, Bytes wanted, Offsets bounds, std::span<std::int64_t> found) {
    for (std::size_t q = 0; q + 1 < bounds.size(); ++q) {
        const Bytes string = string_at(wanted, bounds, std::int64_t(q));
        std::int64_t low = 0, high = std::int64_t(offsets.size()) - 1;
        bool equal = false;
        while (low < high) {
            const std::int64_t middle = (low + high) >> 1;
            const int order = compare(string_at(data, offsets, middle), string);
            if (order < 0) {
                low = middle + 1;
            } else {
                high = middle;
                equal = order == 0;
            }
        }
        found[q] = equal ? low : -1;
    }
}

// Number the union of two sorted tables in order; fill each table's map to it; return its size.
std::int64_t align_strings(Bytes a, Offsets a_offsets, Bytes b, Offsets b_offsets, std::span<std::int64_t> a_map,
                           std::span<std::int64_t> b_map) {
    std::int64_t i = 0, j = 0, n = 0;
    const std::int64_t a_size = std::int64_t(a_offsets.size()) - 1, b_size = std::int64_t(b_offsets.size()) - 1;
    for (; i < a_size || j < b_size; ++n) {
        const int order = i == a_size   ? 1
                          : j == b_size ? -1
                                        : compare(string_at(a, a_offsets, i), string_at(b, b_offsets, j));
        if (order <= 0)
            a_map[i++] = n;
        if (order >= 0)
            b_map[j++] = n;
    }
    return n;
}

// Copy each string to its new row; -1 leaves it out.
void place_strings(Bytes source, Offsets offsets, Offsets new_rows, std::span<std::uint8_t> target,
                   Offsets target_offsets) {
    for (std::size_t row = 0; row < new_rows.size(); ++row) {
        if (new_rows[row] >= 0) {
            const Bytes string = string_at(source, offsets, std::int64_t(row));
            std::copy(string.begin(), string.end(), target.begin() + target_offsets[new_rows[row]]);
        }
    }
}

// The strings at some rows, as Python's. A row that is not there is an IndexError.
nb::list take_strings(Bytes data, Offsets offsets, Offsets rows) {
    nb::list taken = nb::steal<nb::list>(PyList_New(Py_ssize_t(rows.size())));
    if (!taken.is_valid())
        throw nb::python_error();
    for (std::size_t at = 0; at < rows.size(); ++at) {
        if (rows[at] < 0 || rows[at] + 1 >= std::int64_t(offsets.size()))
            throw nb::index_error();
        const Bytes bytes = string_at(data, offsets, rows[at]);
        PyObject *string = PyUnicode_DecodeUTF8(reinterpret_cast<const char *>(bytes.data()),
                                                Py_ssize_t(bytes.size()), nullptr);
        if (string == nullptr)
            throw nb::python_error();
        PyList_SET_ITEM(taken.ptr(), Py_ssize_t(at), string);
    }
    return taken;
}

} // namespace

void bind_strings(nb::module_ &m) {
    m.def("find_strings", &find_strings, no_gil());
    m.def("align_strings", &align_strings, no_gil());
    m.def("place_strings", &place_strings, no_gil());
    m.def("take_strings", &take_strings);
}

} // namespace core
