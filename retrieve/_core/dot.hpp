// The inner product with a fixed order of additions: lane l of 32 adds the products l, l + 32, l + 64 …,
// nothing is fused, the lanes are folded in halves, and what is left behind the last 32 is added in order. A
// score depends on the two vectors alone, so duplicates tie, and processors of any width agree to the bit.
//
// A lane waits for its own sum alone. So some rows and queries are multiplied together, a few registers of
// lanes after the other, and each number that was read serves several products.

#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "registers.hpp"

namespace core {

constexpr std::size_t LANES = 32;

// Lanes that one register holds.
constexpr std::size_t WIDTH = REGISTER_BYTES / sizeof(float);
constexpr std::size_t REGISTERS = LANES / WIDTH;

typedef float Floats __attribute__((vector_size(REGISTER_BYTES)));

inline Floats widen(const float *from) {
    Floats floats;
    std::memcpy(&floats, from, sizeof floats);
    return floats;
}

inline float widened(float number) { return number; }

inline float widened(std::int8_t number) { return float(number); }

// Bits of a float16. Its exponent moves to a float's bias; what is subnormal is counted in steps of 2⁻²⁴.
inline float widened(std::uint16_t half) {
    const std::uint32_t sign = std::uint32_t(half & 0x8000) << 16, size = half & 0x7fff;
    const std::uint32_t bias = size >= 0x7c00 ? 2 * 112u << 23 : 112u << 23;
    const float small = float(std::int32_t(size)) * 0x1p-24f;
    return std::bit_cast<float>(sign |
                                (size < 0x400 ? std::bit_cast<std::uint32_t>(small) : (size << 13) + bias));
}

#if defined(__AVX512F__)

// The masks take everything: without them GCC 12 warns of what its own header leaves undefined.
inline Floats widen(const std::uint16_t *from) {
    return _mm512_maskz_cvtph_ps(0xffff, _mm256_loadu_si256((const __m256i *)from));
}

inline Floats widen(const std::int8_t *from) {
    const __m512i numbers = _mm512_maskz_cvtepi8_epi32(0xffff, _mm_loadu_si128((const __m128i *)from));
    return _mm512_maskz_cvtepi32_ps(0xffff, numbers);
}

#elif defined(__AVX2__)

inline Floats widen(const std::uint16_t *from) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)from)); }

inline Floats widen(const std::int8_t *from) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)from)));
}

#else

typedef std::uint32_t Bits __attribute__((vector_size(REGISTER_BYTES)));
typedef std::int32_t Ints __attribute__((vector_size(REGISTER_BYTES)));

// As for one number. What is compared is all ones or 0.
inline Floats widen(const std::uint16_t *from) {
    const Bits halves = {from[0], from[1], from[2], from[3]};
    const Bits sign = (halves & 0x8000) << 16, size = halves & 0x7fff;
    const Floats small = __builtin_convertvector(Ints(size), Floats) * 0x1p-24f;
    const Bits large = (size << 13) + (112u << 23) + (Bits(Ints(size) >= 0x7c00) & (112u << 23));
    const Bits is_small = Bits(Ints(size) < 0x400);
    return Floats(sign | (is_small & Bits(small)) | (~is_small & large));
}

inline Floats widen(const std::int8_t *from) {
    const Ints numbers = {from[0], from[1], from[2], from[3]};
    return __builtin_convertvector(numbers, Floats);
}

#endif

typedef float Quad __attribute__((vector_size(4 * sizeof(float))));

// 32 lanes folded to four: the upper half is added to the lower half.
inline Quad fold_to_four(const Floats (&lanes)[REGISTERS]) {
    Floats sums[REGISTERS];
#pragma GCC unroll 8
    for (std::size_t i = 0; i < REGISTERS; ++i)
        sums[i] = lanes[i];
#pragma GCC unroll 4
    for (std::size_t width = REGISTERS / 2; width > 0; width /= 2)
#pragma GCC unroll 4
        for (std::size_t i = 0; i < width; ++i)
            sums[i] += sums[i + width];
#if defined(__AVX512F__)
    const auto half = __builtin_shufflevector(sums[0], sums[0], 0, 1, 2, 3, 4, 5, 6, 7) +
                      __builtin_shufflevector(sums[0], sums[0], 8, 9, 10, 11, 12, 13, 14, 15);
    return __builtin_shufflevector(half, half, 0, 1, 2, 3) + __builtin_shufflevector(half, half, 4, 5, 6, 7);
#elif defined(__AVX2__)
    return __builtin_shufflevector(sums[0], sums[0], 0, 1, 2, 3) +
           __builtin_shufflevector(sums[0], sums[0], 4, 5, 6, 7);
#else
    return sums[0];
#endif
}

// Two folds from four lanes to two, side by side.
inline Quad fold_to_two(Quad one, Quad two) {
    return __builtin_shufflevector(one, two, 0, 1, 4, 5) + __builtin_shufflevector(one, two, 2, 3, 6, 7);
}

// N sums of 32 lanes each.
template <int N> void fold(const Floats (&lanes)[N][REGISTERS], float (&sums)[N]) {
    int n = 0;
#pragma GCC unroll 4
    for (; n + 4 <= N; n += 4) {
        const Quad low = fold_to_two(fold_to_four(lanes[n]), fold_to_four(lanes[n + 1]));
        const Quad high = fold_to_two(fold_to_four(lanes[n + 2]), fold_to_four(lanes[n + 3]));
        const Quad one =
            __builtin_shufflevector(low, high, 0, 2, 4, 6) + __builtin_shufflevector(low, high, 1, 3, 5, 7);
        std::memcpy(&sums[n], &one, sizeof one);
    }
#pragma GCC unroll 4
    for (; n < N; ++n) {
        const Quad four = fold_to_four(lanes[n]), two = fold_to_two(four, four);
        sums[n] = two[0] + two[1];
    }
}

// products[r * Q + q] of R rows and Q queries, B registers of lanes at a time.
template <int R, int Q, int B, class T>
[[gnu::always_inline]] inline void multiply(const T *const (&rows)[R], const float *queries,
                                            std::size_t dimensions, float (&products)[R * Q]) {
    const std::size_t whole = dimensions / LANES * LANES;
    Floats lanes[R * Q][REGISTERS];
#pragma GCC unroll 1
    for (std::size_t first = 0; first < REGISTERS; first += B) {
        Floats sums[R * Q][B] = {};
        for (std::size_t block = 0; block != whole; block += LANES) {
            const std::size_t start = block + first * WIDTH;
#pragma GCC unroll 8
            for (int b = 0; b < B; ++b) {
                Floats row[R];
#pragma GCC unroll 8
                for (int r = 0; r < R; ++r)
                    row[r] = widen(rows[r] + start + b * WIDTH);
#pragma GCC unroll 8
                for (int q = 0; q < Q; ++q) {
                    const Floats query = widen(queries + q * dimensions + start + b * WIDTH);
#pragma GCC unroll 8
                    for (int r = 0; r < R; ++r)
                        sums[r * Q + q][b] += row[r] * query;
                }
            }
        }
#pragma GCC unroll 8
        for (int i = 0; i < R * Q; ++i)
#pragma GCC unroll 8
            for (int b = 0; b < B; ++b)
                lanes[i][first + b] = sums[i][b];
    }
    fold(lanes, products);
    for (std::size_t i = whole; i < dimensions; ++i)
        for (int r = 0; r < R; ++r)
            for (int q = 0; q < Q; ++q)
                products[r * Q + q] += widened(rows[r][i]) * queries[q * dimensions + i];
}

// The inner product of a row and a query.
template <class T> float inner_product(const T *row, const float *query, std::size_t dimensions) {
    const T *const rows[1] = {row};
    float product[1];
    multiply<1, 1, REGISTERS>(rows, query, dimensions, product);
    return product[0];
}

} // namespace core
