// How wide the registers are that this form of the core computes with.

#pragma once

#include <cstddef>

namespace core {

#if defined(__AVX512F__)
constexpr std::size_t REGISTER_BYTES = 64;
#elif defined(__AVX2__)
constexpr std::size_t REGISTER_BYTES = 32;
#else
constexpr std::size_t REGISTER_BYTES = 16;
#endif

} // namespace core
