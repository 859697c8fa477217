/* The count of retrieve/_core/planes.cpp once more, as plain C: to be compared with, never to be used.
   Where the compiler makes vectors of it depends on "planes" and the bitmaps not overlapping, hence the local tile. */

#include <stdint.h>
#include <string.h>

#define GROUP 16
#define MOST_WORDS 1024
#define MOST_PLANES 16

typedef uint64_t lanes __attribute__((vector_size(64), aligned(8), may_alias));

#define ADD(carry, held, one, two)                                                                                     \
    do {                                                                                                               \
        lanes half = (one) ^ (two);                                                                                    \
        carry = ((one) & (two)) | (half & held);                                                                       \
        held ^= half;                                                                                                  \
    } while (0)

static void add_group(const uint64_t **from, uint64_t *planes, int64_t words, int height)
{
    for (int64_t i = 0; i < words; i += 8) {
        lanes held[4], carries[4];
        for (int level = 0; level < 4; level++)
            held[level] = *(lanes *)(planes + level * MOST_WORDS + i);
#pragma GCC unroll 8
        for (int pair = 0; pair < GROUP / 2; pair++) {
            lanes carry, one = *(lanes *)(from[2 * pair] + i), two = *(lanes *)(from[2 * pair + 1] + i);
            __builtin_prefetch(from[GROUP + 2 * pair] + i);
            __builtin_prefetch(from[GROUP + 2 * pair + 1] + i);
            ADD(carry, held[0], one, two);
#pragma GCC unroll 3
            for (int level = 1; level < 4; level++) {
                if ((pair & (1 << (level - 1))) == 0) {
                    carries[level] = carry;
                    goto next;
                }
                lanes up;
                ADD(up, held[level], carries[level], carry);
                carry = up;
            }
            for (int level = 4; level < height; level++) {
                lanes *plane = (lanes *)(planes + level * MOST_WORDS + i), old = *plane;
                *plane = old ^ carry;
                carry &= old;
            }
        next:;
        }
        for (int level = 0; level < 4; level++)
            *(lanes *)(planes + level * MOST_WORDS + i) = held[level];
    }
}

void count_block(const int32_t *sizes, const int64_t *places, const uint16_t *lists, const uint64_t *bitmaps,
                 const int64_t *entries, int64_t count, uint64_t *out, int64_t stride, int64_t height, int64_t words)
{
    static uint64_t planes[MOST_PLANES * MOST_WORDS], expanded[(GROUP + 1) * MOST_WORDS];
    memset(planes, 0, sizeof planes[0] * height * MOST_WORDS);
    for (int64_t first = 0; first < count; first += GROUP) {
        const uint64_t *from[2 * GROUP];
        for (int i = 0; i < 2 * GROUP; i++) {
            from[i] = expanded + GROUP * MOST_WORDS;
            if (first + i >= count)
                continue;
            int64_t entry = entries[first + i];
            if (sizes[entry] < 0) {
                from[i] = bitmaps + places[entry];
            } else if (i < GROUP) {
                uint8_t *bitmap = (uint8_t *)(expanded + i * MOST_WORDS);
                memset(bitmap, 0, 8 * words);
                for (int64_t j = places[entry]; j < places[entry] + sizes[entry]; j++)
                    bitmap[lists[j] >> 3] |= 1 << (lists[j] & 7);
                from[i] = expanded + i * MOST_WORDS;
            }
        }
        int64_t top = 4;
        while (top < height && ((first + GROUP < count ? first + GROUP : count) >> top) > 0)
            top++;
        add_group(from, planes, words, top);
    }
    for (int64_t plane = 0; plane < height; plane++)
        memcpy(out + plane * stride, planes + plane * MOST_WORDS, 8 * words);
}
