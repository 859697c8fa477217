// Arrays between Python and the kernels: spans come in, owned arrays go out, and no kernel sees a Python object.
//
// An argument of another type, width or layout is a TypeError, never a copy: what a kernel writes must reach the caller.

#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/tuple.h>

namespace core {

namespace nb = nanobind;

// Released for as long as a kernel runs.
using no_gil = nb::call_guard<nb::gil_scoped_release>;

// The rows of a C-contiguous matrix.
template <class T> struct Matrix {
    T *data = nullptr;
    std::size_t rows = 0, columns = 0;

    T *operator[](std::size_t row) const { return data + row * columns; }
    std::span<T> row(std::size_t number) const { return {(*this)[number], columns}; }
};

// The matrices of a C-contiguous array of three dimensions.
template <class T> struct Cube {
    T *data = nullptr;
    std::size_t matrices = 0, rows = 0, columns = 0;

    Matrix<T> operator[](std::size_t number) const { return {data + number * rows * columns, rows, columns}; }
};

// An array made here, which Python will own. Its numbers are not set; it may be cut shorter than it was made.
template <class T> struct Owned {
    std::unique_ptr<T[]> data;
    std::size_t size = 0;

    Owned() = default;
    explicit Owned(std::size_t wanted) : data(std::make_unique_for_overwrite<T[]>(wanted)), size(wanted) {}
    Owned(std::size_t wanted, T value) : Owned(wanted) { std::fill_n(data.get(), wanted, value); }

    T &operator[](std::size_t i) { return data[i]; }
    const T &operator[](std::size_t i) const { return data[i]; }
    T *begin() { return data.get(); }
    T *end() { return data.get() + size; }
    operator std::span<T>() { return {data.get(), size}; }
    operator std::span<const T>() const { return {data.get(), size}; }
};

// Whether the format of a buffer, one character, names numbers of type T.
template <class T> bool is_format(const char *format, Py_ssize_t width) {
    if (format == nullptr || width != Py_ssize_t(sizeof(T)))
        return false;
    if (*format == '=' || *format == '@' || (*format == '<' && std::endian::native == std::endian::little))
        ++format;
    if (*format == '\0' || format[1] != '\0')
        return false;
    const char kind = *format;
    if constexpr (std::is_same_v<T, bool>)
        return kind == '?';
    else if constexpr (std::is_floating_point_v<T>)
        return kind == 'f' || kind == 'd';
    else if constexpr (std::is_signed_v<T>)
        return kind == 'b' || kind == 'h' || kind == 'i' || kind == 'l' || kind == 'q';
    else
        return kind == 'B' || kind == 'H' || kind == 'I' || kind == 'L' || kind == 'Q';
}

// A borrowed buffer of numbers of type T, held for the duration of a call.
template <class T> class Borrowed {
  public:
    Borrowed() = default;
    Borrowed(const Borrowed &) = delete;
    Borrowed &operator=(const Borrowed &) = delete;
    ~Borrowed() {
        if (held_)
            PyBuffer_Release(&view_);
    }

    bool take(PyObject *object, int dimensions) {
        const int flags = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (std::is_const_v<T> ? 0 : PyBUF_WRITABLE);
        if (PyObject_GetBuffer(object, &view_, flags) != 0) {
            PyErr_Clear();
            return false;
        }
        held_ = true;
        return view_.ndim == dimensions && is_format<std::remove_const_t<T>>(view_.format, view_.itemsize);
    }

    T *data() const { return static_cast<T *>(view_.buf); }
    std::size_t length(int dimension) const { return std::size_t(view_.shape[dimension]); }

  private:
    Py_buffer view_{};
    bool held_ = false;
};

} // namespace core

namespace nanobind::detail {

// What a call sees of a buffer that it holds: the address of its numbers, and how long it is in each dimension.
template <class View, class T, std::size_t DIMENSIONS> struct view_caster {
    NB_TYPE_CASTER(View, const_name("numpy.ndarray"))
    core::Borrowed<T> held;

    bool from_python(handle source, uint8_t, cleanup_list *) noexcept {
        if (!held.take(source.ptr(), int(DIMENSIONS)))
            return false;
        [this]<std::size_t... D>(std::index_sequence<D...>) {
            value = {held.data(), held.length(int(D))...};
        }(std::make_index_sequence<DIMENSIONS>());
        return true;
    }
};

template <class T> struct type_caster<std::span<T>> : view_caster<std::span<T>, T, 1> {};
template <class T> struct type_caster<core::Matrix<T>> : view_caster<core::Matrix<T>, T, 2> {};
template <class T> struct type_caster<core::Cube<T>> : view_caster<core::Cube<T>, T, 3> {};

template <class T> struct type_caster<core::Owned<T>> {
    NB_TYPE_CASTER(core::Owned<T>, const_name("numpy.ndarray"))

    bool from_python(handle, uint8_t, cleanup_list *) noexcept { return false; }

    static handle from_cpp(core::Owned<T> &&owned, rv_policy, cleanup_list *cleanup) noexcept {
        T *data = owned.data.release();
        capsule owner(data, [](void *memory) noexcept { delete[] static_cast<T *>(memory); });
        ndarray<numpy, T, ndim<1>> array(data, {owned.size}, owner);
        return make_caster<ndarray<numpy, T, ndim<1>>>::from_cpp(array, rv_policy::automatic, cleanup);
    }
};

} // namespace nanobind::detail
