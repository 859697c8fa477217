// How many bits are set: of a word, and of two rows of words that an operator joins.

#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace core {

// One instruction where there is one; elsewhere these steps cost less than a call of the compiler's library.
inline std::uint64_t count_ones(std::uint64_t word) {
#if defined(__x86_64__) && !defined(__POPCNT__)
    word -= (word >> 1) & 0x5555555555555555;
    word = (word & 0x3333333333333333) + ((word >> 2) & 0x3333333333333333);
    word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0f;
    return (word * 0x0101010101010101) >> 56;
#else
    return std::uint64_t(std::popcount(word));
#endif
}

// Bits set in join(one[i], two[i]), all i together.
template <class Join>
std::uint64_t count_few(const std::uint64_t *one, const std::uint64_t *two, std::size_t words, Join join) {
    std::uint64_t ones = 0;
    for (std::size_t i = 0; i < words; ++i)
        ones += count_ones(join(one[i], two[i]));
    return ones;
}

// The same for rows long enough for vectors; `join` takes words, and vectors of words.
template <class Join>
std::uint64_t count_many(const std::uint64_t *one, const std::uint64_t *two, std::size_t words, Join join) {
#if defined(__AVX2__)
    typedef std::uint64_t Words __attribute__((vector_size(32)));
    // Half bytes are looked up, 64 at a time.
    const __m256i table =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
    const __m256i half = _mm256_set1_epi8(0x0f);
    Words sums = {};
    std::size_t i = 0;
    for (; i + 4 <= words; i += 4) {
        Words left, right;
        std::memcpy(&left, one + i, sizeof left);
        std::memcpy(&right, two + i, sizeof right);
        const __m256i joined = (__m256i)join(left, right);
        const __m256i low = _mm256_shuffle_epi8(table, _mm256_and_si256(joined, half));
        const __m256i high = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi64(joined, 4), half));
        sums += (Words)_mm256_sad_epu8(_mm256_add_epi8(low, high), _mm256_setzero_si256());
    }
    return sums[0] + sums[1] + sums[2] + sums[3] + count_few(one + i, two + i, words - i, join);
#else
    return count_few(one, two, words, join);
#endif
}

} // namespace core
