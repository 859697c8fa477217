// Whole-number products of tokens and the rows of a projection, a panel of rows at a time: what each form of the core
// has for them, and how rows lie for it.
//
// Bytes are multiplied four at a time (`vpdpbusd`) where the processor can, else two at a time into 16 bits, where a few
// such sums are added before they are widened: `most_in_group` says which rows that holds for.

#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "dot.hpp"

namespace core {

constexpr std::size_t ROWS_AT_ONCE = 4 * REGISTER_BYTES / sizeof(std::int32_t); // of a panel

#if defined(__AVX2__)

// Numbers of a token are steps from -`most` to `most`, kept as unsigned bytes that are `zero` larger.
using Step = std::uint8_t;
using Weight = std::int8_t;

constexpr std::size_t QUAD = 4;  // neighbours of a row that lie together
constexpr std::size_t GROUP = 2; // quads whose products are added in 16 bits

#if defined(__AVX512F__)
typedef __m512i Register;
inline Register load(const void *from) { return _mm512_loadu_si512(from); }
inline void store(void *to, Register from) { _mm512_storeu_si512(to, from); }
inline Register spread(std::int32_t quad) { return _mm512_set1_epi32(quad); }
inline Register add_pairs(Register a, Register b) { return _mm512_add_epi16(a, b); }
inline Register multiply_pairs(Register x, Register w) { return _mm512_maddubs_epi16(x, w); }
inline Register add_quads(Register sum, Register pairs) {
    return _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
}
inline bool multiplies_quads() { return __builtin_cpu_supports("avx512vnni"); }
#else
typedef __m256i Register;
inline Register load(const void *from) { return _mm256_loadu_si256((const __m256i *)from); }
inline void store(void *to, Register from) { _mm256_storeu_si256((__m256i *)to, from); }
inline Register spread(std::int32_t quad) { return _mm256_set1_epi32(quad); }
inline Register add_pairs(Register a, Register b) { return _mm256_add_epi16(a, b); }
inline Register multiply_pairs(Register x, Register w) { return _mm256_maddubs_epi16(x, w); }
inline Register add_quads(Register sum, Register pairs) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
inline bool multiplies_quads() { return false; }
#endif

const bool QUADS = multiplies_quads();

inline int most() { return QUADS ? 127 : 63; }
inline int zero() { return QUADS ? 128 : 64; }

// What positive weights of a group may add up to, and negative ones: times 127, the largest byte, it fits 16 bits.
inline int most_in_group() { return QUADS ? 1 << 30 : 32767 / 127; }

constexpr int TOKENS_AT_ONCE = REGISTER_BYTES == 64 ? 6 : 2;
constexpr std::size_t REGISTERS_OF_ROWS = ROWS_AT_ONCE * sizeof(std::int32_t) / REGISTER_BYTES;

// Places that a row takes.
inline std::size_t padded(std::size_t hidden) {
    return (hidden + GROUP * QUAD - 1) / (GROUP * QUAD) * GROUP * QUAD;
}

// Where the number `column` of a panel's row lies.
inline std::size_t place(std::size_t row, std::size_t column, std::size_t) {
    return (column / QUAD * ROWS_AT_ONCE + row) * QUAD + column % QUAD;
}

inline std::int32_t quad_at(const Step *from) {
    std::int32_t quad;
    std::memcpy(&quad, from, sizeof quad);
    return quad;
}

#if defined(__AVX512F__)
// sums[m] of M tokens and the rows of a panel, which begin as `starts`.
template <int M>
[[gnu::target("avx512vnni")]] void sum_quads(const Step *tokens, std::size_t columns, const Weight *panel,
                                             const std::int32_t *starts, std::int32_t (*sums)[ROWS_AT_ONCE]) {
    constexpr std::size_t N = REGISTERS_OF_ROWS;
    Register found[M][N];
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m)
#pragma GCC unroll 4
        for (std::size_t n = 0; n < N; ++n)
            found[m][n] = _mm512_loadu_si512((const char *)starts + n * REGISTER_BYTES);
    for (std::size_t column = 0; column < columns; column += QUAD) {
        Register rows[N];
#pragma GCC unroll 4
        for (std::size_t n = 0; n < N; ++n)
            rows[n] = _mm512_loadu_si512(panel + column * ROWS_AT_ONCE + n * REGISTER_BYTES);
#pragma GCC unroll 8
        for (int m = 0; m < M; ++m) {
            const Register token = _mm512_set1_epi32(quad_at(tokens + m * columns + column));
#pragma GCC unroll 4
            for (std::size_t n = 0; n < N; ++n)
                found[m][n] = _mm512_dpbusd_epi32(found[m][n], token, rows[n]);
        }
    }
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m)
#pragma GCC unroll 4
        for (std::size_t n = 0; n < N; ++n)
            _mm512_storeu_si512((char *)sums[m] + n * REGISTER_BYTES, found[m][n]);
}
#endif

// The same where bytes are multiplied two at a time.
template <int M>
void sum_pairs(const Step *tokens, std::size_t columns, const Weight *panel, const std::int32_t *starts,
               std::int32_t (*sums)[ROWS_AT_ONCE]) {
    constexpr std::size_t N = REGISTERS_OF_ROWS;
    Register found[M][N];
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m)
#pragma GCC unroll 4
        for (std::size_t n = 0; n < N; ++n)
            found[m][n] = load((const char *)starts + n * REGISTER_BYTES);
    for (std::size_t column = 0; column < columns; column += GROUP * QUAD) {
#pragma GCC unroll 4
        for (std::size_t n = 0; n < N; ++n) {
            Register rows[GROUP];
#pragma GCC unroll 3
            for (std::size_t g = 0; g < GROUP; ++g)
                rows[g] = load(panel + (column + g * QUAD) * ROWS_AT_ONCE + n * REGISTER_BYTES);
#pragma GCC unroll 8
            for (int m = 0; m < M; ++m) {
                const Step *const token = tokens + m * columns + column;
                Register pairs = multiply_pairs(spread(quad_at(token)), rows[0]);
#pragma GCC unroll 3
                for (std::size_t g = 1; g < GROUP; ++g)
                    pairs = add_pairs(pairs, multiply_pairs(spread(quad_at(token + g * QUAD)), rows[g]));
                found[m][n] = add_quads(found[m][n], pairs);
            }
        }
    }
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m)
#pragma GCC unroll 4
        for (std::size_t n = 0; n < N; ++n)
            store((char *)sums[m] + n * REGISTER_BYTES, found[m][n]);
}

template <int M>
void sum_products(const Step *tokens, std::size_t columns, const Weight *panel, const std::int32_t *starts,
                  std::int32_t (*sums)[ROWS_AT_ONCE]) {
#if defined(__AVX512F__)
    if (QUADS)
        return sum_quads<M>(tokens, columns, panel, starts, sums);
#endif
    sum_pairs<M>(tokens, columns, panel, starts, sums);
}

#else

// Both as numbers of 16 bits, whose products compilers know to add in pairs.
using Step = std::int16_t;
using Weight = std::int16_t;

constexpr std::size_t QUAD = 1, GROUP = 2;
constexpr int TOKENS_AT_ONCE = 4;

inline int most() { return 1023; }
inline int zero() { return 0; }
inline int most_in_group() { return 1 << 30; }
inline std::size_t padded(std::size_t hidden) { return hidden; }
inline std::size_t place(std::size_t row, std::size_t column, std::size_t columns) { return row * columns + column; }

template <int M>
void sum_products(const Step *tokens, std::size_t columns, const Weight *panel, const std::int32_t *,
                  std::int32_t (*sums)[ROWS_AT_ONCE]) {
    for (std::size_t row = 0; row < ROWS_AT_ONCE; ++row) {
        const Weight *const weights = panel + row * columns;
        std::int32_t found[M] = {};
        for (std::size_t i = 0; i < columns; ++i)
#pragma GCC unroll 4
            for (int m = 0; m < M; ++m)
                found[m] += std::int32_t(tokens[m * columns + i]) * std::int32_t(weights[i]);
        for (int m = 0; m < M; ++m)
            sums[m][row] = found[m];
    }
}

#endif

inline Floats to_floats(const std::int32_t *from) {
    typedef std::int32_t Whole __attribute__((vector_size(REGISTER_BYTES)));
    Whole numbers;
    std::memcpy(&numbers, from, sizeof numbers);
    return __builtin_convertvector(numbers, Floats);
}

// Whether numbers are not below a bound, a bit each: so is what cannot be compared.
inline unsigned not_below(Floats numbers, float bound) {
#if defined(__AVX512F__)
    return _mm512_cmp_ps_mask(numbers, _mm512_set1_ps(bound), _CMP_NLT_UQ);
#elif defined(__AVX2__)
    return unsigned(_mm256_movemask_ps(_mm256_cmp_ps(numbers, _mm256_set1_ps(bound), _CMP_NLT_UQ)));
#else
    unsigned bits = 0;
    for (unsigned i = 0; i < WIDTH; ++i)
        bits |= unsigned(!(numbers[i] < bound)) << i;
    return bits;
#endif
}

} // namespace core
