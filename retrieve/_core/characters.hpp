// The characters of a Python string as they are stored: one, two or four bytes each, all in one width.

#pragma once

#include <cstddef>

#include <nanobind/nanobind.h>

namespace core {

namespace nb = nanobind;

// Calls `work` with the characters of a Python string as they are stored.
template <class Work> auto with_characters(nb::str text, Work work) {
    PyObject *object = text.ptr();
    const std::size_t size = std::size_t(PyUnicode_GET_LENGTH(object));
    switch (PyUnicode_KIND(object)) {
    case PyUnicode_1BYTE_KIND:
        return work(PyUnicode_1BYTE_DATA(object), size);
    case PyUnicode_2BYTE_KIND:
        return work(PyUnicode_2BYTE_DATA(object), size);
    default:
        return work(PyUnicode_4BYTE_DATA(object), size);
    }
}

} // namespace core
